// Verify a file of evidence that Signpost exported. Usage: node verify.mjs FILE KEY...
// The format is described in docs/evidence.md.

import { createHash, createPublicKey, verify as verifySignature } from "node:crypto";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const FORMAT = "signpost-evidence-1";
const FIELDS = ["about", "entries", "format", "note", "values"];
const SPKI_ED25519 = Buffer.from("302a300506032b6570032100", "hex");

// Return a value in the canonical form of RFC 8785. Names are sorted here, because JavaScript
// would put names that look like numbers first.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const names = Object.keys(value).sort();
    return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
  }
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new Error("not an integer");
  return JSON.stringify(value);
}

const json = (value) => Buffer.from(canonical(value), "utf8");
const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isHash = (value) =>
  isObject(value) && Object.keys(value).length === 1 && typeof value.sha256 === "string";

// Return the name, the ID and the public key of a verifier key.
export function parseKey(text) {
  const [name, id, ...rest] = text.trim().split("+");
  const raw = Buffer.from(rest.join("+"), "base64");
  const expected = sha256(Buffer.from(`${name}\n`), raw).subarray(0, 4).toString("hex");
  if (raw.length !== 33 || raw[0] !== 1 || id !== expected) {
    throw new Error(`This is not a verifier key: ${text}`);
  }
  const publicKey = createPublicKey({
    key: Buffer.concat([SPKI_ED25519, raw.subarray(1)]),
    format: "der",
    type: "spki",
  });
  return { name, id, publicKey };
}

// Return where the bytes of a file were changed, as sentences; an empty list if it is intact. Throw
// an error for a text that is not a verifier key.
export function verify(bytes, keys) {
  const parsedKeys = keys.map(parseKey);
  try {
    const file = JSON.parse(bytes.toString("utf8"));
    return [
      ...checkForm(file, bytes),
      ...checkChain(file),
      ...checkValues(file),
      ...checkNote(file, parsedKeys),
    ];
  } catch (error) {
    return [`not evidence: ${error.message}`];
  }
}

function checkForm(file, bytes) {
  const found = [];
  if (file.format !== FORMAT) found.push("format: unknown");
  if (Object.keys(file).sort().join() !== FIELDS.join()) found.push("file: other parts");
  if (!json(file).equals(bytes)) found.push("file: not in canonical form");
  return found;
}

function checkChain(file) {
  const found = [];
  let link = sha256(json(file.about));
  for (const [index, item] of file.entries.entries()) {
    if (Object.keys(item).sort().join() !== "entry,hash") found.push(`entry ${index + 1}: other parts`);
    link = sha256(link, json(item.entry));
    if (link.toString("hex") !== item.hash) {
      found.push(`entry ${index + 1}: changed, or what precedes it`);
      return found; // each later entry depends on this one
    }
  }
  return found;
}

function checkValues(file) {
  const hashes = new Map();
  for (const [index, { entry }] of file.entries.entries()) {
    for (const [name, part] of Object.entries(entry)) {
      if (isHash(part)) hashes.set(part.sha256, `entry ${index + 1}, ${name}`);
    }
  }
  const found = [];
  for (const [hash, item] of Object.entries(file.values)) {
    const place = hashes.get(hash);
    if (place === undefined) found.push(`value ${hash}: belongs to no entry`);
    else if (!/^[0-9a-f]{32}$/.test(item.salt)) found.push(`${place}: the salt was changed`);
    else if (
      "value" in item &&
      sha256(Buffer.from(item.salt, "hex"), json(item.value)).toString("hex") !== hash
    ) {
      found.push(`${place}: the value was changed`);
    }
  }
  return found;
}

function checkNote(file, keys) {
  const end = file.note.lastIndexOf("\n\n");
  const text = file.note.slice(0, end + 1);
  const match = /^\u2014 ([^ +\n]+) ([A-Za-z0-9+/]+=*)\n$/.exec(file.note.slice(end + 2));
  if (end < 0 || !match) return ["note: not exactly one signature line"];
  const raw = Buffer.from(match[2], "base64");
  if (raw.toString("base64") !== match[2]) return ["note: the signature was changed"];
  const id = raw.subarray(0, 4).toString("hex");
  const key = keys.find((known) => known.name === match[1] && known.id === id);
  if (!key) return ["note: signed with an unknown key"];
  if (!verifySignature(null, Buffer.from(text), key.publicKey, raw.subarray(4))) {
    return ["note: the signature does not fit"];
  }
  let link = sha256(json(file.about));
  for (const { entry } of file.entries) link = sha256(link, json(entry));
  const values = sha256(json(file.values)).toString("hex");
  const expected = [
    FORMAT,
    key.name,
    `request ${file.about.request.id}`,
    `exported ${file.about.exported_at}`,
    `status ${file.about.status}`,
    `entries ${file.entries.length} ${link.toString("hex")}`,
    `values ${Object.keys(file.values).length} ${values}`,
    "",
  ].join("\n");
  return text === expected ? [] : ["note: something else was signed"];
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [path, ...keys] = process.argv.slice(2);
  let found;
  try {
    found = verify(readFileSync(path), keys);
  } catch (error) {
    found = [error.message];
  }
  console.log(found.join("\n") || "intact");
  process.exitCode = found.length ? 1 : 0;
}
