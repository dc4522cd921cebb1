import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { NameResolver } from '../../src/http/name-resolver.js';
import { until } from '../setup/test-server.js';

const TYPE_A = 1;

/** A name server that knows `known.example`, refuses to say anything about other names, or does not answer at all. */
class NameServer {
  questions = 0;
  isSilent = false;
  private readonly socket: Socket = createSocket('udp4');

  async start(): Promise<string> {
    this.socket.on('message', (question, { port, address }) => {
      this.questions += 1;
      if (!this.isSilent) this.socket.send(answerTo(question), port, address);
    });
    this.socket.bind(0, '127.0.0.1');
    await once(this.socket, 'listening');
    return `127.0.0.1:${this.socket.address().port}`;
  }

  close(): void {
    this.socket.close();
  }
}

/** RFC 1035, section 4.1: the question with an A record, with none, or with the code of a name that does not exist. */
function answerTo(message: Buffer): Buffer {
  const end = message.indexOf(0, 12) + 5;
  const question = message.subarray(12, end);
  const isKnown = question.includes('known');
  const hasAddress = isKnown && question.readUInt16BE(question.length - 4) === TYPE_A;
  const header = Buffer.alloc(12);
  message.copy(header, 0, 0, 2);
  header.writeUInt16BE(isKnown ? 0x8180 : 0x8183, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(hasAddress ? 1 : 0, 6);
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 93, 184, 216, 34]);
  return Buffer.concat([header, question, ...(hasAddress ? [record] : [])]);
}

let names: NameServer;
let folder: string;
let resolver: NameResolver;

beforeAll(async () => {
  names = new NameServer();
  folder = await mkdtemp(join(tmpdir(), 'hosts-'));
  const hostsFile = join(folder, 'hosts');
  await writeFile(
    hostsFile,
    '10.1.2.3\tprinter Printer.Example # 10.1.2.4 other\n fd00::3 printer\n# 1.1.1.1 printer\n',
  );
  resolver = new NameResolver({ hostsFile, servers: [await names.start()] });
});

afterAll(async () => {
  names.close();
  await rm(folder, { recursive: true });
});

const codeOf = (name: string) =>
  resolver.resolve(name).then(
    () => 'resolved',
    (error: unknown) => (error as { code: string }).code,
  );

describe('a name', () => {
  it('has the addresses that the name server knows', async () => {
    expect(await resolver.resolve('known.example')).toEqual([{ address: '93.184.216.34', family: 4 }]);
    expect(await codeOf('other.example')).toBe('ENOTFOUND');
  });

  it.each([
    ['printer', ['10.1.2.3', 'fd00::3']],
    ['PRINTER.example.', ['10.1.2.3']],
    ['localhost', ['127.0.0.1', '::1']],
    ['any.localhost', ['127.0.0.1', '::1']],
  ])('of this machine is not asked for: %s', async (name, addresses) => {
    const { questions } = names;

    expect((await resolver.resolve(name)).map(({ address }) => address)).toEqual(addresses);

    expect(names.questions).toBe(questions);
  });
});

describe('a name server that does not answer', () => {
  it('holds up no other work of the process, and a limited number of look-ups, which end in time', async () => {
    names.isSilent = true;
    const before = names.questions;
    let ended = 0;
    const codes = Array.from({ length: 100 }, async (_, n) => {
      const code = await codeOf(`slow-${n}.example`);
      ended += 1;
      return code;
    });
    await until('questions are asked, and look-ups beyond the limit have ended', () => {
      return names.questions - before >= 64 && ended === 36;
    });

    // Four threads do these, and a look-up by dns.lookup keeps one for as long as it lasts.
    await Promise.all([promisify(gzip)('x'), lookup('localhost')]);
    expect(ended).toBe(36);

    expect(await Promise.all(codes)).toEqual(codes.map(() => 'EAI_AGAIN'));
    names.isSilent = false;
    expect(await codeOf('known.example')).toBe('resolved');
  }, 60_000);
});
