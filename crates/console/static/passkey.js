// Asks the browser for a passkey and hands its answer to the form, which goes the way of every form.
// It runs on the page of a ceremony alone, and asks nobody else for anything.
"use strict";

(() => {
  const form = document.getElementById("passkey");
  const problem = document.getElementById("passkey-problem");
  if (!form || !problem) return;

  const decode = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const encode = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-")
      .replace(/\//g, "_")
      .replace(/=+$/, "");
  const keys = (list) => list.map((key) => ({ ...key, id: decode(key.id) }));
  const put = (name, buffer) => {
    form.elements.namedItem(name).value = encode(buffer);
  };

  const make = async (options) => {
    options.user.id = decode(options.user.id);
    options.excludeCredentials = keys(options.excludeCredentials);
    const made = await navigator.credentials.create({ publicKey: options });
    put("client_data", made.response.clientDataJSON);
    put("attestation", made.response.attestationObject);
  };

  const use = async (options) => {
    options.allowCredentials = keys(options.allowCredentials);
    const used = await navigator.credentials.get({ publicKey: options });
    put("key", used.rawId);
    put("client_data", used.response.clientDataJSON);
    put("data", used.response.authenticatorData);
    put("signature", used.response.signature);
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.hidden = true;
    try {
      const options = JSON.parse(form.dataset.options);
      options.challenge = decode(options.challenge);
      await (form.dataset.ceremony === "make" ? make(options) : use(options));
      form.submit();
    } catch {
      // Turned away, timed out, or a browser without passkeys: the same page tries again.
      problem.hidden = false;
    }
  });
})();
