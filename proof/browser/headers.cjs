// What Chromium does with the content security policy and with another site's form. The same script that is
// stopped on our pages and on the application's runs on a page without a policy, and the same form that is
// refused from another site is taken from ours.
//
// Environment: AMANAH_ADDRESS (https://localhost:PORT), AMANAH_PASSWORD (of the sample application's people).
'use strict';

const assert = require('node:assert/strict');
const { createServer } = require('node:http');

const { Browser } = require('./chromium.cjs');

const { AMANAH_ADDRESS: address, AMANAH_PASSWORD: password } = process.env;
const PERSON = 'amal@gulf.example';

/** Three ways to get a script into a page, as stored markup does. How many of them ran. */
const INJECT = `(async () => {
    window.ran = 0;
    const ways = [
        () => { const s = document.createElement('script'); s.textContent = 'window.ran += 1'; document.body.append(s); },
        () => { const d = document.createElement('div'); d.innerHTML = '<img src="/none" onerror="window.ran += 1">'; document.body.append(d); },
        () => { const b = document.createElement('button'); b.setAttribute('onclick', 'window.ran += 1'); b.click(); },
    ];
    // A page with Trusted Types does not take the text in the first place.
    for (const way of ways) { try { way(); } catch (error) { if (!(error instanceof TypeError)) throw error; } }
    await new Promise((go) => { const i = new Image(); i.onerror = i.onload = () => setTimeout(go, 100); i.src = '/none-either'; });
    return window.ran;
})()`;

/** Another site, with a form that sends itself to ours. */
function stranger(action) {
    const page = `<!doctype html><title>x</title><body><form method="post" action="${action}">
        <input name="email" value="x@evil.example"></form>`;
    const server = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end(page));
    return new Promise((go) => server.listen(0, '127.0.0.1', () => go(server)));
}

async function main() {
    const server = await stranger(`${address}/_amanah/sign-in`);
    const browser = await Browser.open();
    try {
        const elsewhere = `http://127.0.0.1:${server.address().port}/`;
        await browser.open(elsewhere);
        assert.equal(await browser.ask(INJECT), 3, 'without a policy every way works');

        await browser.open(elsewhere);
        await browser.turn('the form of another site', () =>
            browser.ask('setTimeout(() => document.forms[0].submit())'));
        assert.match(await browser.text(), /403 Forbidden[^]*started from another site/);

        await browser.open(`${address}/_amanah/sign-in?next=/`);
        assert.equal(await browser.ask(INJECT), 0, 'on a page of ours');
        await browser.open(`${address}/_amanah/sign-in?next=/`);
        await browser.type('email', PERSON);
        await browser.type('password', password);
        await browser.press('form[action="/_amanah/sign-in"] button');
        assert.equal(await browser.path(), '/', await browser.text());
        assert.equal(await browser.ask(INJECT), 0, 'on a page of the application');
        console.log('all of it was stopped');
    } finally {
        await browser.close();
        server.close();
    }
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
