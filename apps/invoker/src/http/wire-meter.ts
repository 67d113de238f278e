import type { Socket } from 'node:net';
import { RESPONSE_WIRE_BYTES_MAX } from '@cf/contract';

/** An answer whose bytes on the wire are too many, whatever they are: interim answers, chunk extensions, padding. */
export class WireOverflowError extends Error {
  constructor() {
    super(`more than ${RESPONSE_WIRE_BYTES_MAX} bytes on the wire`);
    this.name = 'WireOverflowError';
  }
}

/** Cuts a connection on which one answer takes more than 1 MiB. Requests follow each other, so a write begins a new answer. */
export const meterAnswers = (socket: Socket): void => {
  let written = socket.bytesWritten;
  let readBefore = socket.bytesRead;
  let readLast = readBefore;
  socket.on('readable', () => {
    if (socket.bytesWritten !== written) {
      written = socket.bytesWritten;
      readBefore = readLast;
    }
    readLast = socket.bytesRead;
    if (readLast - readBefore > RESPONSE_WIRE_BYTES_MAX) socket.destroy(new WireOverflowError());
  });
};
