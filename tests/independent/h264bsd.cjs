// Decodes Baseline streams with h264bsd, one after the other, for `second_decoders.py`.
//
// Both ways everything is counted: 32 bits, big endian, before the bytes. In come streams, each
// a number of NAL units; out come their pictures in output order, each its planes without
// padding. Errors need no report: a picture is missing then, or another one.

"use strict";

const fs = require("fs");
const { H264Decoder } = require("h264decoder");

const START_CODE = Buffer.from([0, 0, 0, 1]);

/** Exactly so many bytes of standard input; null at its end. */
function read(size) {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const count = fs.readSync(0, bytes, at, size - at, null);
    if (!count) return null;
    at += count;
  }
  return bytes;
}

function readCount() {
  return read(4)?.readUInt32BE(0) ?? null;
}

function write(bytes) {
  for (let at = 0; at < bytes.length; ) at += fs.writeSync(1, bytes, at);
}

function writeCount(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value, 0);
  write(bytes);
}

for (let units = readCount(); units !== null; units = readCount()) {
  const decoder = new H264Decoder();
  const pictures = [];
  for (; units > 0; units--) {
    const unit = Buffer.concat([START_CODE, read(readCount())]);
    // What it shows of a picture is its own memory: used again for the next.
    if (decoder.decode(unit) === H264Decoder.PIC_RDY) pictures.push(Buffer.from(decoder.pic));
  }
  writeCount(pictures.length);
  for (const picture of pictures) {
    writeCount(picture.length);
    write(picture);
  }
}
