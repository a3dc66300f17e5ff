// One person's way through the pages: invited, enrolled from the QR code, signed in with each kind of factor,
// seen in the list of sessions, and thrown out of the open browser when they leave.
//
// Environment: AMANAH_ADDRESS (https://localhost:PORT), AMANAH_PROGRAM, AMANAH_DATA (its data directory), and
// AMANAH_PICTURES (a folder that the pages are drawn into, if anywhere).
'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const { createHmac } = require('node:crypto');
const { readdirSync, readFileSync } = require('node:fs');
const { join } = require('node:path');

const jsQR = require('jsqr');
const { PNG } = require('pngjs');

const { Browser, until } = require('./chromium.cjs');

const { AMANAH_ADDRESS: address, AMANAH_PROGRAM: program, AMANAH_DATA: data } = process.env;
const ADMIN = 'admin@sinar.example';
const PERSON = 'tuti@sinar.example';
const PASSWORD = 'kereta malam ke Bandung 1987';
const TENANT = '11111111-1111-4111-8111-111111111111';
const STEP = 30_000;

/** Runs a command of Amanah. */
const amanah = (...words) => execFileSync(program, [...words, '--data', data], { encoding: 'utf8' });

/** The code of an authenticator app at a moment (RFC 6238). */
function code(secret, at) {
    const bits = [...secret].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
    const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(Math.floor(at / STEP)));
    const mac = createHmac('sha1', key).update(counter).digest();
    const number = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
    return String(number % 1_000_000).padStart(6, '0');
}

/** What stands in the letter to `to`: the address that it leads to, at the gateway of this test. */
async function link(to) {
    const folder = join(data, 'outbox');
    const letter = await until(`a letter to ${to}`, () => {
        const letters = readdirSync(folder).filter((name) => name.endsWith('.eml'));
        const texts = letters.map((name) => readFileSync(join(folder, name), 'utf8'));
        return texts.find((text) => text.includes(`To: ${to}`) || text.includes(`<${to}>`));
    });
    const plain = letter.replace(/=\r?\n/g, '').replace(/=3D/g, '=');
    const found = plain.match(/https:\/\/[^/\s]+(\/_amanah\/invitation\?t=[A-Za-z0-9_-]+)/);
    assert(found, `no link in:\n${letter}`);
    return address + found[1];
}

/** What the QR code on the page says, as a camera reads it. */
async function scan(browser) {
    const { data: shot } = await browser.cdp.Page.captureScreenshot({ format: 'png', captureBeyondViewport: true });
    const picture = PNG.sync.read(Buffer.from(shot, 'base64'));
    const read = jsQR(new Uint8ClampedArray(picture.data), picture.width, picture.height);
    assert(read, 'the QR code cannot be read');
    return new URL(read.data);
}

const button = (action) => `form[action="${action}"] button`;

async function signIn(browser, password = PASSWORD) {
    await browser.open(`${address}/_amanah/sign-in?next=/_amanah/account`);
    await browser.type('email', PERSON);
    await browser.type('password', password);
    await browser.press(button('/_amanah/sign-in'));
}

async function signOut(browser) {
    await browser.open(`${address}/_amanah/account`);
    await browser.press(button('/_amanah/sign-out'));
}

async function isAt(browser, path) {
    assert.equal(await browser.path(), path, await browser.text());
}

/** Follows the link of the letter and chooses a password; a weak one is turned away. */
async function accept(browser) {
    await browser.open(await link(PERSON));
    await browser.draw('invitation');
    await browser.type('name', 'Tuti Handayani');
    await browser.type('password', 'password1');
    await browser.press(button('/_amanah/invitation'));
    await browser.draw('weak-password');
    await browser.type('name', 'Tuti Handayani');
    await browser.type('password', PASSWORD);
    await browser.press(button('/_amanah/invitation'));
}

/** Sets the app up from the QR code: its secret, and the recovery codes. */
async function enrol(browser) {
    await signIn(browser);
    await isAt(browser, '/_amanah/step');
    await browser.draw('must-enrol');
    await browser.press(button('/_amanah/factors/app'));
    await browser.draw('enrol');
    const uri = await scan(browser);
    assert.equal(uri.protocol, 'otpauth:');
    const secret = uri.searchParams.get('secret');
    await browser.type('code', '000000');
    await browser.press(button('/_amanah/factors/app/confirm'));
    assert.equal(await browser.ask('!!document.getElementById("problem")'), true, 'a wrong code is turned away');
    await browser.type('code', code(secret, Date.now()));
    await browser.press(button('/_amanah/factors/app/confirm'));
    await browser.draw('recovery-codes');
    const codes = await browser.ask('[...document.querySelectorAll("ol.codes code")].map((c) => c.innerText)');
    assert.equal(codes.length, 10);
    return { secret, codes };
}

/** Signs in with a wrong code, a recovery code, the same one again, and a code of the app. */
async function factors(browser, { secret, codes }) {
    await signOut(browser);
    await signIn(browser, 'not the password 1987');
    assert.equal(await browser.ask('!!document.getElementById("problem")'), true, 'a wrong password is turned away');
    await signIn(browser);
    await isAt(browser, '/_amanah/step');
    await browser.type('code', '123456');
    await browser.press(button('/_amanah/step'));
    assert.equal(await browser.ask('!!document.getElementById("problem")'), true, 'a wrong code is turned away');
    await browser.draw('wrong-code');
    await browser.open(`${address}/products`);
    assert.notEqual(await browser.path(), '/products', 'a password alone opens nothing');
    await signIn(browser);
    await browser.type('code', codes[0]);
    await browser.press(button('/_amanah/step'));
    await isAt(browser, '/_amanah/account');
    await signOut(browser);
    await signIn(browser);
    await browser.type('code', codes[0]);
    await browser.press(button('/_amanah/step'));
    assert.equal(await browser.ask('!!document.getElementById("problem")'), true, 'a recovery code works once');
    // The code of the enrolment is used up: the next step's is accepted already.
    await browser.type('code', code(secret, Date.now() + STEP));
    await browser.press(button('/_amanah/step'));
    await isAt(browser, '/_amanah/account');
}

/** Adds a passkey and signs in with it. */
async function passkey(browser) {
    await browser.plugIn();
    await browser.open(`${address}/_amanah/account/security`);
    await browser.draw('security');
    await browser.press(button('/_amanah/factors/key/ask'));
    await browser.type('name', 'The key of this test');
    await browser.draw('make-passkey');
    await browser.press('#passkey button');
    await browser.open(`${address}/_amanah/account/security`);
    assert.match(await browser.text(), /The key of this test/);
    await browser.draw('passkey-made');
    await signOut(browser);
    await signIn(browser);
    await browser.press(button('/_amanah/step/ask'));
    await browser.press('#passkey button');
    await isAt(browser, '/_amanah/account');
}

/** Sees a second session in the list, and ends it. */
async function sessions(browser, { codes }) {
    const other = await Browser.open();
    try {
        await signIn(other);
        await other.type('code', codes[1]);
        await other.press(button('/_amanah/step'));
        await isAt(other, '/_amanah/account');
        await browser.open(`${address}/_amanah/account`);
        await browser.draw('sessions');
        const listed = 'document.querySelectorAll(\'form[action="/_amanah/account/sessions"] input[name="one"]\').length';
        assert.equal(await browser.ask(listed), 1);
        await browser.press('form[action="/_amanah/account/sessions"]:has(input[name="one"]) button');
        await other.open(`${address}/_amanah/account`);
        await isAt(other, '/_amanah/sign-in');
    } finally {
        await other.close();
    }
}

/** Leaves: the open browser is thrown out, and nothing lets it in again. */
async function leave(browser) {
    await browser.open(`${address}/products`);
    await isAt(browser, '/products');
    amanah('access', 'offboard', PERSON);
    const told = Date.now();
    await until('the open browser is thrown out', async () => {
        await browser.open(`${address}/products`);
        return (await browser.path()) === '/_amanah/sign-in';
    });
    const took = Date.now() - told;
    await browser.draw('thrown-out');
    await signIn(browser);
    assert.equal(await browser.ask('!!document.getElementById("problem")'), true, 'nobody is let in again');
    return took;
}

async function main() {
    amanah('account', 'add', ADMIN, '--tenant', TENANT, '--role', 'administrator');
    amanah('account', 'invite', PERSON, '--as', ADMIN, '--role', 'administrator');
    const browser = await Browser.open(process.env.AMANAH_PICTURES);
    try {
        await accept(browser);
        const held = await enrol(browser);
        await factors(browser, held);
        await passkey(browser);
        await sessions(browser, held);
        const took = await leave(browser);
        console.log(`thrown out after ${took} ms`);
    } catch (error) {
        await browser.draw('failed');
        console.error(await browser.text().catch(() => ''));
        throw error;
    } finally {
        await browser.close();
    }
}

main().catch((error) => {
    console.error(error);
    process.exitCode = 1;
});
