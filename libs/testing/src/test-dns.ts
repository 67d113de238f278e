import { createSocket, type Socket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import ipaddr from 'ipaddr.js';

const TYPES: Readonly<Record<number, 'A' | 'AAAA'>> = { 1: 'A', 28: 'AAAA' };
const RCODES = { FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;

/** What a name answers: addresses of any family (each question gets its own), an error, silence, or bytes that are no DNS. */
export type DnsAnswer = readonly string[] | keyof typeof RCODES | 'silence' | 'garbage';
/** `asked`: how often this name was asked for this type before. */
export type DnsScript = (question: { readonly type: 'A' | 'AAAA'; readonly asked: number }) => DnsAnswer;

const nameOf = (packet: Buffer): { name: string; end: number } => {
  const labels: string[] = [];
  let at = 12;
  for (let length = packet[at] ?? 0; length > 0; length = packet[at] ?? 0) {
    labels.push(packet.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
};

/** A DNS server on a free port of 127.0.0.1. A name without a script does not exist. */
export class TestDns {
  private readonly scripts = new Map<string, DnsScript>();
  private readonly asked = new Map<string, number>();

  private constructor(private readonly socket: Socket) {
    socket.on('message', (packet, { port, address }) => {
      const answer = this.answerTo(packet);
      if (answer !== null) socket.send(answer, port, address);
    });
  }

  static async start(): Promise<TestDns> {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    return new TestDns(socket);
  }

  /** `127.0.0.1:port`. */
  get address(): string {
    const { address, port }: AddressInfo = this.socket.address();
    return `${address}:${port}`;
  }

  set(name: string, answer: DnsAnswer | DnsScript): void {
    this.scripts.set(name.toLowerCase(), typeof answer === 'function' ? answer : () => answer);
  }

  /** Questions so far, of both types. */
  questionsFor(name: string): number {
    return (this.asked.get(`${name.toLowerCase()} A`) ?? 0) + (this.asked.get(`${name.toLowerCase()} AAAA`) ?? 0);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.socket.close(resolve));
  }

  private answerTo(packet: Buffer): Buffer | null {
    const { name, end } = nameOf(packet);
    const type = TYPES[packet.readUInt16BE(end)];
    if (type === undefined) return null;
    const key = `${name} ${type}`;
    const asked = this.asked.get(key) ?? 0;
    this.asked.set(key, asked + 1);
    const answer = this.scripts.get(name)?.({ type, asked }) ?? 'NXDOMAIN';
    if (answer === 'silence') return null;
    if (answer === 'garbage') return Buffer.concat([packet.subarray(0, 2), Buffer.alloc(40, 0xff)]);
    const kind = type === 'A' ? 'ipv4' : 'ipv6';
    const addresses =
      typeof answer === 'string' ? [] : answer.map((text) => ipaddr.parse(text)).filter((address) => address.kind() === kind);
    const records = addresses.map((address) => {
      const bytes = Buffer.from(address.toByteArray());
      const head = Buffer.from([0xc0, 12, 0, type === 'A' ? 1 : 28, 0, 1, 0, 0, 0, 0, 0, bytes.length]);
      return Buffer.concat([head, bytes]);
    });
    const header = Buffer.alloc(12);
    packet.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8180 | (typeof answer === 'string' ? RCODES[answer] : 0), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    return Buffer.concat([header, packet.subarray(12, end + 4), ...records]);
  }
}
