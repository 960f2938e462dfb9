/** The fields of 9P2000.L's messages, written as its manual pages write them. */
import { Message, QID_SIZE } from "../../virtio/devices/9p/protocol.ts";

/**
 * A field's name and its bytes; `s` is a text with its length in front, `count` as many bytes as the
 * field before says, and `*` a list of as many as the field before says.
 */
export interface MessageField {
  readonly name: string;
  readonly kind: string;
}

const QID = `qid[${QID_SIZE}]`;
const LOCK = "type[1] start[8] length[8] proc_id[4] client_id[s]";
const TIMES = "atime_sec[8] atime_nsec[8] mtime_sec[8] mtime_nsec[8]";

/** Each request with its answer. */
const MESSAGES: readonly (readonly [type: number, request: string, answer: string])[] = [
  [
    Message.TSTATFS,
    "fid[4]",
    "type[4] bsize[4] blocks[8] bfree[8] bavail[8] files[8] ffree[8] fsid[8] namelen[4]",
  ],
  [Message.TLOPEN, "fid[4] flags[4]", `${QID} iounit[4]`],
  [Message.TLCREATE, "fid[4] name[s] flags[4] mode[4] gid[4]", `${QID} iounit[4]`],
  [Message.TSYMLINK, "fid[4] name[s] symtgt[s] gid[4]", QID],
  [Message.TMKNOD, "dfid[4] name[s] mode[4] major[4] minor[4] gid[4]", QID],
  [Message.TRENAME, "fid[4] dfid[4] name[s]", ""],
  [Message.TREADLINK, "fid[4]", "target[s]"],
  [
    Message.TGETATTR,
    "fid[4] request_mask[8]",
    `valid[8] ${QID} mode[4] uid[4] gid[4] nlink[8] rdev[8] size[8] blksize[8] blocks[8] ${TIMES} ` +
      "ctime_sec[8] ctime_nsec[8] btime_sec[8] btime_nsec[8] gen[8] data_version[8]",
  ],
  [Message.TSETATTR, `fid[4] valid[4] mode[4] uid[4] gid[4] size[8] ${TIMES}`, ""],
  [Message.TXATTRWALK, "fid[4] newfid[4] name[s]", "size[8]"],
  [Message.TXATTRCREATE, "fid[4] name[s] attr_size[8] flags[4]", ""],
  [Message.TREADDIR, "fid[4] offset[8] count[4]", "count[4] data[count]"],
  [Message.TFSYNC, "fid[4] datasync[4]", ""],
  [
    Message.TLOCK,
    "fid[4] type[1] flags[4] start[8] length[8] proc_id[4] client_id[s]",
    "status[1]",
  ],
  [Message.TGETLOCK, `fid[4] ${LOCK}`, LOCK],
  [Message.TLINK, "dfid[4] fid[4] name[s]", ""],
  [Message.TMKDIR, "dfid[4] name[s] mode[4] gid[4]", QID],
  [Message.TRENAMEAT, "olddirfid[4] oldname[s] newdirfid[4] newname[s]", ""],
  [Message.TUNLINKAT, "dirfid[4] name[s] flags[4]", ""],
  [Message.TVERSION, "msize[4] version[s]", "msize[4] version[s]"],
  [Message.TATTACH, "fid[4] afid[4] uname[s] aname[s] n_uname[4]", QID],
  [Message.TFLUSH, "oldtag[2]", ""],
  [Message.TWALK, "fid[4] newfid[4] nwname[2] wname[s*]", `nwqid[2] qid[${QID_SIZE}*]`],
  [Message.TREAD, "fid[4] offset[8] count[4]", "count[4] data[count]"],
  [Message.TWRITE, "fid[4] offset[8] count[4] data[count]", "count[4]"],
  [Message.TCLUNK, "fid[4]", ""],
  [Message.TREMOVE, "fid[4]", ""],
];

/** By type, those of answers too: an answer has the number after its request's. */
export const NINEP_MESSAGES: ReadonlyMap<number, readonly MessageField[]> = new Map([
  [Message.RLERROR, parse("ecode[4]")],
  ...MESSAGES.flatMap(([type, request, answer]) => [
    [type, parse(request)] as const,
    [type + 1, parse(answer)] as const,
  ]),
]);

function parse(layout: string): readonly MessageField[] {
  return [...layout.matchAll(/(\w+)\[([\w*]+)\]/g)].map(([, name, kind]) => ({ name, kind }));
}
