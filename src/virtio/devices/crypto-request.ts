/** One request of a data queue of the crypto device (virtio 5.9.7.3 to 5.9.7.8), executed. */
import type { CryptoBackend } from "./crypto-backend.ts";
import { CryptoOp, CryptoService, CryptoStatus, DATA_SYM_OP, SymOp } from "./crypto-protocol.ts";
import type { CryptoSession } from "./crypto-session.ts";

/**
 * Bytes that the variable parts of a request have together: Linux hands over 64 KiB at most, which come
 * back as many. A request of this size takes some ten milliseconds.
 */
export const CRYPTO_REQUEST_MAX = 256 * 1024;

/** What the driver wrote behind the header, and how much room there is for the result. */
export interface CryptoRequest {
  readonly opcode: number;
  /** As many as the service has. */
  readonly fields: DataView;
  /** How many bytes follow the fixed fields. */
  readonly inputLength: number;
  /** A copy of the first `length` of them. */
  readonly input: (length: number) => Uint8Array;
  /** Bytes before the status. */
  readonly room: number;
}

/** Goes to the start of the writable part if all went well. */
interface CryptoResult {
  readonly status: CryptoStatus;
  readonly output?: Uint8Array;
}

const { OK, ERR, BADMSG, NOTSUPP, INVSESS, KEY_REJECTED } = CryptoStatus;

const failed = (status: CryptoStatus): CryptoResult => ({ status });
const done = (output: Uint8Array): CryptoResult => ({ status: OK, output });

export function executeCrypto(
  request: CryptoRequest,
  session: CryptoSession | undefined,
  backend: CryptoBackend,
): CryptoResult {
  if (session === undefined || session.service !== request.opcode >> 8) return failed(INVSESS);
  switch (session.service) {
    case CryptoService.CIPHER:
      return runCipher(request, session, backend);
    case CryptoService.HASH:
      return runHash(request, backend.hashes[session.algorithm].length, (data) =>
        backend.hashes[session.algorithm].digest(data),
      );
    case CryptoService.MAC:
      return runHash(request, backend.macs[session.algorithm].length, (data) =>
        backend.macs[session.algorithm].sign(session.key, data),
      );
    case CryptoService.AEAD:
      return runAead(request, session, backend);
    case CryptoService.AKCIPHER:
      return runRsa(request, session, backend);
  }
}

type Of<Service> = Extract<CryptoSession, { readonly service: Service }>;

function runCipher(
  request: CryptoRequest,
  { algorithm, isEncryption, key }: Of<typeof CryptoService.CIPHER>,
  { ciphers }: CryptoBackend,
): CryptoResult {
  const { fields, opcode } = request;
  const [ivLength, length, outputLength] = [0, 4, 8].map((at) => fields.getUint32(at, true));
  if (fields.getUint32(DATA_SYM_OP, true) !== SymOp.CIPHER) return failed(NOTSUPP);
  const cipher = ciphers[algorithm];
  const isDirection = isEncryption === (opcode === CryptoOp.CIPHER_ENCRYPT);
  const isWhole = ivLength === cipher.ivLength && length % cipher.blockLength === 0;
  const parts = take(request, [ivLength, length], outputLength);
  if (!isDirection || !isWhole || parts === undefined || outputLength < length) return failed(ERR);
  const [iv, data] = parts;
  const run = isEncryption ? cipher.encrypt : cipher.decrypt;
  return done(length === 0 ? data : run(key, iv, data));
}

function runHash(
  request: CryptoRequest,
  digestLength: number,
  digest: (data: Uint8Array) => Uint8Array,
): CryptoResult {
  const [length, outputLength] = [0, 4].map((at) => request.fields.getUint32(at, true));
  const parts = take(request, [length], outputLength);
  if (parts === undefined || outputLength > digestLength) return failed(ERR);
  return done(digest(parts[0]).subarray(0, outputLength));
}

function runAead(
  request: CryptoRequest,
  { algorithm, isEncryption, key }: Of<typeof CryptoService.AEAD>,
  { aeads }: CryptoBackend,
): CryptoResult {
  const { fields, opcode } = request;
  const [ivLength, aadLength, length, outputLength, tagLength] = [0, 4, 8, 12, 16].map((at) =>
    fields.getUint32(at, true),
  );
  const aead = aeads[algorithm];
  const isDirection = isEncryption === (opcode === CryptoOp.AEAD_ENCRYPT);
  const isWhole = ivLength === aead.ivLength && tagLength === aead.tagLength;
  const resultLength = isEncryption ? length + tagLength : length - tagLength;
  const parts = take(request, [ivLength, length, aadLength], outputLength);
  if (!isDirection || !isWhole || parts === undefined) return failed(ERR);
  if (resultLength < 0 || outputLength < resultLength) return failed(ERR);
  const [iv, data, aad] = parts;
  const output = (isEncryption ? aead.encrypt : aead.decrypt)(key, iv, aad, data);
  return output === undefined ? failed(BADMSG) : done(output);
}

function runRsa(
  request: CryptoRequest,
  { isPrivate, isPadded, hash, key: der }: Of<typeof CryptoService.AKCIPHER>,
  backend: CryptoBackend,
): CryptoResult {
  const { opcode, fields } = request;
  const [length, otherLength] = [0, 4].map((at) => fields.getUint32(at, true));
  const isVerification = opcode === CryptoOp.AKCIPHER_VERIFY;
  // What is verified is read too, and then nothing is written.
  const parts = isVerification
    ? take(request, [length, otherLength], 0)
    : take(request, [length], otherLength);
  const key = backend.rsaKey(der, isPrivate);
  if (parts === undefined || key === undefined) return failed(ERR);
  const [data, digest] = parts;
  let output: Uint8Array | undefined;
  switch (opcode) {
    case CryptoOp.AKCIPHER_ENCRYPT:
      output = isPadded ? key.encrypt(data) : key.encryptRaw(data);
      break;
    case CryptoOp.AKCIPHER_DECRYPT:
      output = isPadded ? key.decrypt(data) : key.decryptRaw(data);
      break;
    case CryptoOp.AKCIPHER_SIGN:
      if (!isPadded) return failed(NOTSUPP);
      output = key.sign(hash, data);
      break;
    case CryptoOp.AKCIPHER_VERIFY:
      if (!isPadded) return failed(NOTSUPP);
      return failed(key.verify(hash, data, digest) ? OK : KEY_REJECTED);
  }
  return output === undefined || output.length > otherLength ? failed(ERR) : done(output);
}

/** Parts of the input one after the other, if all are there and there is room for the output. */
function take(
  { input, inputLength, room }: CryptoRequest,
  lengths: readonly number[],
  outputLength: number,
): Uint8Array[] | undefined {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const isServed = total + outputLength <= CRYPTO_REQUEST_MAX;
  if (!isServed || total > inputLength || outputLength > room) return undefined;
  const bytes = input(total);
  let at = 0;
  return lengths.map((length) => {
    at += length;
    // Each a copy of its own: algorithms read words, and want them aligned.
    return bytes.slice(at - length, at);
  });
}
