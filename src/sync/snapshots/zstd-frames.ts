import { Transform, type TransformCallback } from 'node:stream';
import { constants, createZstdDecompress, type ZstdDecompress } from 'node:zlib';

/**
 * A frame may refer back 8 MiB at most, as RFC 9659 asks of zstd over HTTP. Node would take 128 MiB, and hold them in memory
 * for each upload and each job; a few kB can ask for that.
 */
const WINDOW = { params: { [constants.ZSTD_d_windowLogMax]: 23 } };

/**
 * Inflates zstd bodies of any number of frames (RFC 8878, section 3.1), as `cat a.zst b.zst` and parallel compressors make
 * them. Node's own stream stops in silence behind the first one (measured with 24.21).
 */
export class ZstdFrames extends Transform {
  private frame: ZstdDecompress;

  constructor(private readonly chunkSize: number) {
    super();
    this.frame = this.openFrame();
  }

  /** Bytes that belonged to a frame: all that were written, or the stream has failed. */
  bytesWritten = 0;

  override _transform(chunk: Buffer, encoding: BufferEncoding, done: TransformCallback): void {
    const { frame } = this;
    const before = frame.bytesWritten;
    // Its errors come by its listener.
    frame.write(chunk, (error) => {
      if (error) return;
      const taken = frame.bytesWritten - before;
      this.bytesWritten += taken;
      if (taken === chunk.length) done();
      else this.afterFrame(() => this._transform(chunk.subarray(taken), encoding, done));
    });
  }

  override _flush(done: TransformCallback): void {
    this.frame.end();
    this.whenEnded(done);
  }

  override _read(size: number): void {
    this.frame.resume();
    super._read(size);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.frame.destroy();
    done(error);
  }

  private openFrame(): ZstdDecompress {
    const frame = createZstdDecompress({ chunkSize: this.chunkSize, ...WINDOW });
    frame.on('data', (inflated: Buffer) => {
      if (!this.push(inflated)) frame.pause();
    });
    frame.on('error', (error) => this.destroy(error));
    return frame;
  }

  /** What a frame holds has left it before the next one begins. */
  private afterFrame(proceed: () => void): void {
    this.whenEnded(() => {
      this.frame.destroy();
      this.frame = this.openFrame();
      proceed();
    });
  }

  private whenEnded(proceed: () => void): void {
    if (this.frame.readableEnded) proceed();
    else this.frame.once('end', () => proceed());
  }
}
