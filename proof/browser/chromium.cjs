// A headless Chromium, driven over its DevTools protocol as a person would use it: pages are opened, fields are
// typed into, buttons are pressed, and each wait is for something that can be seen.

'use strict';

const { spawn } = require('node:child_process');
const { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const CDP = require('chrome-remote-interface');

/** How long anything may take until it is there, in milliseconds. */
const PATIENCE = 120_000;
/** How often it is looked for, in milliseconds. */
const LOOK_AGAIN = 50;
/** How long a page may take to answer, in milliseconds, before it is asked again. */
const ASKED = 5_000;

const pause = (wait = LOOK_AGAIN) => new Promise((go) => setTimeout(go, wait));

/** Waits until `look` gives something, or says what was waited for. */
async function until(what, look) {
    const end = Date.now() + PATIENCE;
    for (;;) {
        const found = await look();
        if (found) return found;
        if (Date.now() > end) throw new Error(`${what}: not within ${PATIENCE} ms`);
        await pause();
    }
}

/** A browser with nothing in it. `pictures` is where its pages are drawn, if anywhere. */
class Browser {
    static async open(pictures) {
        const home = mkdtempSync(join(tmpdir(), 'amanah-browser-'));
        const program = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync) ?? 'chromium';
        const process = spawn(program, [
            '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
            '--disable-background-networking', '--disable-component-update', '--disable-sync',
            '--ignore-certificate-errors', '--lang=en', '--window-size=1000,1200',
            '--remote-debugging-port=0', `--user-data-dir=${home}`, 'about:blank',
        ], { stdio: 'ignore' });
        const browser = new Browser();
        Object.assign(browser, { home, process, pictures, drawn: 0 });
        const told = join(home, 'DevToolsActivePort');
        const port = await until('the port of Chromium', () =>
            existsSync(told) && Number(readFileSync(told, 'utf8').split('\n')[0]));
        browser.port = port;
        browser.cdp = await CDP({ port, local: true });
        await browser.cdp.Page.enable();
        await browser.cdp.Runtime.enable();
        await browser.cdp.Network.enable();
        return browser;
    }

    async close() {
        await this.cdp.close().catch(() => {});
        const ended = new Promise((go) => this.process.once('exit', go));
        this.process.kill('SIGKILL');
        await ended;
        // Its other processes may write for a moment longer.
        await until('the profile is gone', () => {
            try {
                rmSync(this.home, { recursive: true, force: true });
                return true;
            } catch (error) {
                if (error.code !== 'ENOTEMPTY') throw error;
                return false;
            }
        });
    }

    /** Opens `address` and waits until the page is whole. */
    async open(address) {
        await this.turn(address, () => this.cdp.Page.navigate({ url: address }));
    }

    /**
     * Does `act`, and waits until another page than this one is whole. The pages are asked, and no event is waited
     * for: one that came a moment before is never told again.
     */
    async turn(what, act) {
        await this.ask('window.seenBefore = true');
        await act();
        const whole = '!window.seenBefore && location.href !== "about:blank" && document.readyState === "complete"';
        // Between two pages there is none that could answer, and what was asked then may never be answered.
        const asked = () => Promise.race([this.ask(whole).catch(() => false), pause(ASKED)]);
        await until(`the page after ${what}`, asked);
    }

    /** What `script`, an expression, comes to in the page. */
    async ask(script) {
        const { result, exceptionDetails } = await this.cdp.Runtime.evaluate({
            expression: script, awaitPromise: true, returnByValue: true,
        });
        if (exceptionDetails) {
            throw new Error(`${script}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
        }
        return result.value;
    }

    /** The path that the page is at. */
    path() {
        return this.ask('location.pathname');
    }

    /** What the page says. */
    text() {
        return this.ask('document.body.innerText');
    }

    /** Types `value` into the field of this name. */
    async type(name, value) {
        const field = `document.querySelector('[name="${name}"]:not([type=hidden])')`;
        await until(`the field ${name}`, () => this.ask(`!!${field}`));
        await this.ask(`{ const f = ${field}; f.focus(); f.value = ''; }`);
        await this.cdp.Input.insertText({ text: value });
    }

    /** Presses the button that `selector` finds, and waits for the page that it leads to. */
    async press(selector) {
        await until(`the button ${selector}`, () => this.ask(`!!document.querySelector(${JSON.stringify(selector)})`));
        const click = `document.querySelector(${JSON.stringify(selector)}).click()`;
        // The page may go before it has answered that it was pressed.
        await this.turn(selector, () => Promise.race([this.ask(click).catch(() => {}), pause(ASKED)]));
    }

    /** Presses what works by script and loads no page by itself. */
    async touch(selector) {
        await until(`the button ${selector}`, () => this.ask(`!!document.querySelector(${JSON.stringify(selector)})`));
        await this.ask(`document.querySelector(${JSON.stringify(selector)}).click()`);
    }

    /** Plugs in a security key that says yes for its user. */
    async plugIn() {
        await this.cdp.send('WebAuthn.enable', { enableUI: false });
        const { authenticatorId } = await this.cdp.send('WebAuthn.addVirtualAuthenticator', {
            options: {
                protocol: 'ctap2', transport: 'internal', hasResidentKey: true,
                hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true,
            },
        });
        return authenticatorId;
    }

    /** Draws the page into the folder of pictures. */
    async draw(name) {
        if (!this.pictures) return;
        const { data } = await this.cdp.Page.captureScreenshot({ captureBeyondViewport: true });
        this.drawn += 1;
        const number = String(this.drawn).padStart(2, '0');
        writeFileSync(join(this.pictures, `${number}-${name}.png`), Buffer.from(data, 'base64'));
    }
}

module.exports = { Browser, until };
