// Runs named tasks and prints one JSON line for each: what came out, in a form that can be compared byte for byte.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');

// A value with more bytes than this is printed as its length and digest.
const SHOWN_BYTES_MAX = 200;

const target = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));

function digest(bytes) {
  return crypto.createHash('sha256').update(bytes).digest('hex');
}

function plain(value) {
  if (value === undefined) return 'undefined';
  if (typeof value === 'bigint') return `bigint:${value}`;
  if (Buffer.isBuffer(value)) {
    return value.length > SHOWN_BYTES_MAX ? `bytes:${value.length}:${digest(value)}` : `bytes:${value.toString('hex')}`;
  }
  if (typeof value === 'string' && value.length > SHOWN_BYTES_MAX) return `string:${value.length}:${digest(value)}`;
  if (value instanceof Date) return `date:${Number.isNaN(value.getTime()) ? 'invalid' : value.toISOString()}`;
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.keys(value).sort().map((key) => [key, plain(value[key])]));
  }
  return value;
}

/** The parts of a driver's error that do not depend on the driver's internals. */
function failure(error) {
  return [error.code, error.errno, error.sqlState, error.sqlMessage || error.message].map(plain);
}

/** How something that must not succeed ends. */
async function refused(what) {
  try {
    const result = await what();
    return ['succeeded', plain(result)];
  } catch (error) {
    return failure(error);
  }
}

function masked(text) {
  return text
    .replaceAll(`:${target.port}`, ':PORT')
    .replaceAll(`port ${target.port}`, 'port PORT')
    .replace(/connectionId[^,}]*/g, 'connectionId')
    .replace(/\(conn:-?\d+,/g, '(conn:N,')
    .replace(/\b(connection|thread) (id )?\d+/gi, 'connection N');
}

/** Runs the tasks one after the other. */
async function run(tasks) {
  const only = process.argv.slice(3);
  for (const [name, task] of Object.entries(tasks)) {
    if (only.length > 0 && !only.includes(name)) continue;
    const line = { task: name };
    try {
      line.result = plain(await task());
      line.outcome = 'ok';
    } catch (error) {
      if (only.length > 0) console.error(error);
      line.result = failure(error);
      line.outcome = 'error';
    }
    process.stdout.write(`${masked(JSON.stringify(line))}\n`);
  }
}

module.exports = { run, refused, failure, plain, target, digest };
