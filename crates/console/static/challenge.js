// Does the work that a challenge asks for, in pieces so that the page stays alive, and sends the form. Where
// the work takes longer than the wait, the wait is the answer. It asks nobody for anything, and keeps nothing.
"use strict";

(() => {
  const form = document.getElementById("challenge");
  if (!form) return;
  const field = (name) => form.elements.namedItem(name);
  const bits = Number(form.dataset.bits);
  const text = `${field("token").value}.`;
  // How long a piece of work is, in milliseconds.
  const PIECE = 40;
  // A second later than the wait is over here, it is over there.
  const over = performance.now() + 1000 * (Number(form.dataset.wait) + 1);

  // SHA-256 (FIPS 180-4). The browser's own makes a promise of each hash, which costs more than the hash.
  const primes = [];
  for (let n = 2; primes.length < 64; n += 1) {
    if (primes.every((prime) => n % prime)) primes.push(n);
  }
  const fraction = (root) => ((root - Math.floor(root)) * 2 ** 32) | 0;
  const constants = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
  const start = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));
  const turn = (word, by) => (word >>> by) | (word << (32 - by));
  const schedule = new Int32Array(64);

  const mix = (state, block, offset) => {
    for (let i = 0; i < 16; i += 1) schedule[i] = block.getInt32(offset + 4 * i);
    for (let i = 16; i < 64; i += 1) {
      const near = schedule[i - 2];
      const far = schedule[i - 15];
      schedule[i] =
        (turn(near, 17) ^ turn(near, 19) ^ (near >>> 10)) +
        schedule[i - 7] +
        (turn(far, 7) ^ turn(far, 18) ^ (far >>> 3)) +
        schedule[i - 16];
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i += 1) {
      const one =
        (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + constants[i] + schedule[i]) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + one) | 0;
      d = c;
      c = b;
      b = a;
      a = (one + two) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  };

  // All letters are ASCII: a stamp, a full stop, and a number.
  const hash = (words) => {
    const blocks = ((words.length + 8) >> 6) + 1;
    const bytes = new Uint8Array(64 * blocks);
    for (let i = 0; i < words.length; i += 1) bytes[i] = words.charCodeAt(i);
    bytes[words.length] = 0x80;
    const view = new DataView(bytes.buffer);
    view.setUint32(bytes.length - 4, 8 * words.length);
    const state = Int32Array.from(start);
    for (let i = 0; i < blocks; i += 1) mix(state, view, 64 * i);
    return state;
  };

  const isWork = (state) => {
    let zeros = 0;
    for (const word of state) {
      zeros += Math.clz32(word);
      if (word !== 0) break;
    }
    return zeros >= bits;
  };

  let number = 0;
  const work = () => {
    const end = performance.now() + PIECE;
    while (performance.now() < end) {
      for (let i = 0; i < 64; i += 1, number += 1) {
        if (isWork(hash(text + number))) {
          field("answer").value = String(number);
          form.submit();
          return;
        }
      }
    }
    if (end > over) form.submit();
    else setTimeout(work);
  };

  document.getElementById("challenge-work").hidden = false;
  document.getElementById("challenge-patience").hidden = true;
  form.querySelector("button").hidden = true;
  work();
})();
