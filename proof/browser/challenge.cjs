// Two strangers while strangers are shed: one whose browser runs scripts, and one whose browser does not.
//
// Environment: AMANAH_ADDRESS (https://localhost:PORT), and AMANAH_PICTURES (a folder that the pages are drawn
// into, if anywhere).
'use strict';

const assert = require('node:assert/strict');

const { Browser, until } = require('./chromium.cjs');

const { AMANAH_ADDRESS: address, AMANAH_PICTURES: pictures } = process.env;

const isAsked = (browser) => browser.ask('!!document.getElementById("challenge")');

/** The names of the cookies that the browser keeps for this site. */
async function cookies(browser) {
    const { cookies: kept } = await browser.cdp.Network.getCookies({ urls: [address] });
    return kept.map(({ name, httpOnly, secure }) => `${name} ${httpOnly} ${secure}`);
}

/** The script does the work, and the page comes by itself. */
async function byWork() {
    const browser = await Browser.open(pictures);
    try {
        await browser.open(`${address}/trust`);
        await until('the page behind the challenge', async () => {
            const asked = await isAsked(browser).catch(() => true);
            return !asked && (await browser.path()) === '/trust';
        });
        assert((await cookies(browser)).includes('__Host-amanah-passed true true'));
        await browser.open(`${address}/_amanah/sign-in`);
        assert.equal(await isAsked(browser), false, 'who has passed is not asked again');
        await browser.draw('passed-by-work');
    } finally {
        await browser.close();
    }
}

/** Without script the button is pressed: too early first, and then in time. */
async function byWaiting() {
    const browser = await Browser.open(pictures);
    try {
        await browser.cdp.Emulation.setScriptExecutionDisabled({ value: true });
        await browser.open(`${address}/_amanah/sign-in`);
        assert.equal(await isAsked(browser), true, await browser.text());
        assert.match(await browser.text(), /Wait for \d+ seconds/);
        await browser.draw('challenge');
        await browser.press('#challenge button');
        assert.equal(await isAsked(browser), true, 'it was too early');
        assert.equal(await browser.ask('!!document.querySelector(".problem")'), true);
        await browser.draw('too-early');
        await until('the page behind the challenge', async () => {
            await browser.press('#challenge button');
            return !(await isAsked(browser));
        });
        assert.equal(await browser.path(), '/_amanah/sign-in');
        assert((await cookies(browser)).includes('__Host-amanah-passed true true'));
        await browser.draw('passed-by-waiting');
    } finally {
        await browser.close();
    }
}

async function main() {
    await byWork();
    await byWaiting();
    console.log('passed by work, and by waiting');
}

main().catch((error) => {
    console.error(error);
    process.exitCode = 1;
});
