/** Requests of the crypto device (virtio 5.9.7). Keys are shown as their length. */
import {
  AeadAlgo,
  AkcipherAlgo,
  AkcipherKeyType,
  CipherAlgo,
  CREATE_BYTES,
  CREATE_SYM_OP,
  CryptoControl,
  CryptoCreate,
  CryptoDirection,
  CryptoFeature,
  CryptoOp,
  CryptoQueue,
  CryptoService,
  CryptoStatus,
  CTRL_LEGACY_BYTES,
  DATA_BYTES,
  DATA_LEGACY_BYTES,
  DATA_SYM_OP,
  HashAlgo,
  MacAlgo,
  RsaHash,
  RsaPadding,
  SESSION_INPUT_BYTES,
  SymOp,
} from "../../virtio/devices/crypto-protocol.ts";
import { bit } from "../../virtio/spec.ts";
import type { Decoder } from "./field.ts";
import { bytesText, hex, named, nameOf, namesOf, opOf, type Show } from "./names.ts";
import { type PayloadReader, readAnswer, readRequest } from "./reader.ts";

const CONTROLS = namesOf(CryptoControl);
const CREATES = namesOf(CryptoCreate);
const OPERATIONS = namesOf(CryptoOp);
const STATUSES = namesOf(CryptoStatus);
const SYM_OPS = named(namesOf(SymOp));
const DIRECTIONS = named(namesOf(CryptoDirection));
const KEY_TYPES = named(namesOf(AkcipherKeyType));
const PADDINGS = named(namesOf(RsaPadding));
const RSA_HASHES = named(namesOf(RsaHash));

/** By service. */
const ALGORITHMS = [CipherAlgo, HashAlgo, MacAlgo, AeadAlgo, AkcipherAlgo].map((table) =>
  namesOf(table),
);

export const decodeCrypto: Decoder = (exchange, payload) => {
  const isControl = exchange.queue === CryptoQueue.CONTROL;
  const isExact = (exchange.features & bit(CryptoFeature.REVISION_1)) !== 0n;
  const names = isControl ? CONTROLS : OPERATIONS;
  readRequest(exchange, payload.fields, (reader) => {
    const opcode = reader.u32("opcode", named(names, hex));
    payload.op = opOf(names, opcode);
    payload.summary = isControl
      ? readControl(reader, opcode, isExact)
      : readOperation(reader, opcode, isExact);
  });
  readAnswer(exchange, payload.fields, (reader) => {
    let told = "";
    const show: Show = (status) => {
      told = nameOf(STATUSES, status);
      return named(STATUSES)(status);
    };
    if (isControl && reader.remaining >= SESSION_INPUT_BYTES) {
      const session = reader.u64("session_id");
      if (reader.u32("status", show) === CryptoStatus.OK) told += ` session ${session}`;
    } else {
      if (reader.remaining > 1) reader.data("result", reader.remaining - 1);
      reader.u8("status", show);
    }
    payload.summary = `${payload.summary} ${told}`.trimStart();
  });
};

function readControl(reader: PayloadReader, opcode: number, isExact: boolean): string {
  const service = opcode >> 8;
  const algorithms = ALGORITHMS[service];
  reader.u32("algo", algorithms && named(algorithms));
  reader.u32("flag", hex);
  reader.u32("queue_id");
  if (!CREATES.has(opcode)) return `session ${reader.u64("session_id")}`;
  let summary = "";
  reader.within(isExact ? CREATE_BYTES[service] : CTRL_LEGACY_BYTES, () => {
    summary = nameOf(algorithms, reader.u32("algo", named(algorithms)));
    readSession(reader, service);
  });
  const { remaining } = reader;
  if (remaining > 0) reader.bytes("key", remaining, ({ length }) => bytesText(length));
  return summary;
}

/** The fixed fields of a session after its algorithm. */
function readSession(reader: PayloadReader, service: number): void {
  switch (service) {
    case CryptoService.CIPHER:
      reader.u32("key_len");
      reader.u32("op", DIRECTIONS);
      reader.skip(CREATE_SYM_OP - 12);
      reader.u32("op_type", SYM_OPS);
      break;
    case CryptoService.HASH:
      reader.u32("hash_result_len");
      break;
    case CryptoService.MAC:
      reader.u32("hash_result_len");
      reader.u32("auth_key_len");
      break;
    case CryptoService.AEAD:
      for (const name of ["key_len", "tag_len", "aad_len"]) reader.u32(name);
      reader.u32("op", DIRECTIONS);
      break;
    default:
      reader.u32("key_type", KEY_TYPES);
      reader.u32("key_len");
      reader.u32("padding_algo", PADDINGS);
      reader.u32("hash_algo", RSA_HASHES);
  }
}

function readOperation(reader: PayloadReader, opcode: number, isExact: boolean): string {
  const service = opcode >> 8;
  reader.u32("algo");
  const session = reader.u64("session_id");
  reader.u32("flag", hex);
  reader.skip(4);
  if (!OPERATIONS.has(opcode)) return `session ${session}`;
  let parts: [name: string, length: number][] = [];
  reader.within(isExact ? DATA_BYTES[service] : DATA_LEGACY_BYTES, () => {
    parts = readLengths(reader, opcode);
  });
  for (const [name, length] of parts) if (length > 0) reader.data(name, length);
  const source = parts.find(([name]) => name === "src_data");
  return `session ${session}, ${bytesText(source?.[1] ?? 0)}`;
}

/** The variable parts that follow, in their order. */
function readLengths(reader: PayloadReader, opcode: number): [string, number][] {
  switch (opcode >> 8) {
    case CryptoService.CIPHER: {
      const iv = reader.u32("iv_len");
      const source = reader.u32("src_data_len");
      reader.u32("dst_data_len");
      reader.skip(DATA_SYM_OP - 12);
      reader.u32("op_type", SYM_OPS);
      return [
        ["iv", iv],
        ["src_data", source],
      ];
    }
    case CryptoService.AEAD: {
      const iv = reader.u32("iv_len");
      const aad = reader.u32("aad_len");
      const source = reader.u32("src_data_len");
      reader.u32("dst_data_len");
      reader.u32("tag_len");
      return [
        ["iv", iv],
        ["src_data", source],
        ["aad", aad],
      ];
    }
    case CryptoService.AKCIPHER: {
      const source = reader.u32("src_data_len");
      const other = reader.u32("dst_data_len");
      const isVerification = opcode === CryptoOp.AKCIPHER_VERIFY;
      return [
        ["src_data", source],
        ["signed data", isVerification ? other : 0],
      ];
    }
    default: {
      const source = reader.u32("src_data_len");
      reader.u32("hash_result_len");
      return [["src_data", source]];
    }
  }
}
