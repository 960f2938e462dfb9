/** Requests of the RTC device (virtio 5.23.6). */
import {
  RtcClock,
  RtcCounter,
  RtcFlag,
  RtcMessage,
  RtcNotification,
  RtcStatus,
} from "../../virtio/devices/rtc.ts";
import type { Decoder } from "./field.ts";
import { flags, hex, named, nameOf, namesOf, opOf } from "./names.ts";
import { type PayloadReader, readAnswer, readRequest } from "./reader.ts";

const MESSAGES = namesOf(RtcMessage);
const NOTIFICATIONS = namesOf(RtcNotification);
const STATUSES = namesOf(RtcStatus);
const CLOCKS = namesOf(RtcClock);
const COUNTERS = named(namesOf(RtcCounter), hex);

const ALARM_FLAGS = flags({ ENABLED: RtcFlag.ALARM_ENABLED });
const CAP_FLAGS = flags({ ALARM_CAP: RtcFlag.ALARM_CAP });
const CROSS_FLAGS = flags({ CROSS_CAP: 1 });

/** Between what a head or a field says and what follows. */
const HEAD_RESERVED = 6;

export const decodeRtc: Decoder = (exchange, payload) => {
  let type = -1;
  readRequest(exchange, payload.fields, (reader) => {
    type = reader.u16("msg_type", named(MESSAGES, hex));
    payload.op = opOf(MESSAGES, type);
    reader.skip(HEAD_RESERVED);
    if (type === RtcMessage.SET_ALARM) reader.u64("alarm_time");
    if (type === RtcMessage.CFG || !MESSAGES.has(type)) return;
    payload.summary = `clock ${reader.u16("clock_id")}`;
    const isCross = type === RtcMessage.READ_CROSS || type === RtcMessage.CROSS_CAP;
    const isSet = type === RtcMessage.SET_ALARM || type === RtcMessage.SET_ALARM_ENABLED;
    if (isCross) reader.u8("hw_counter", COUNTERS);
    if (isSet) reader.u8("flags", ALARM_FLAGS);
  });
  readAnswer(exchange, payload.fields, (reader) => {
    if (exchange.readable.length === 0) {
      payload.op = opOf(NOTIFICATIONS, reader.u16("msg_type", named(NOTIFICATIONS, hex)));
      reader.skip(HEAD_RESERVED);
      payload.summary = `clock ${reader.u16("clock_id")}`;
      return;
    }
    const status = reader.u8("status", named(STATUSES));
    payload.summary = `${payload.summary} ${nameOf(STATUSES, status)}`.trimStart();
    reader.skip(HEAD_RESERVED + 1);
    if (status === RtcStatus.OK) payload.summary += readResult(reader, type);
  });
};

/** What an answer says after its head, in a few words. */
function readResult(reader: PayloadReader, type: number): string {
  switch (type) {
    case RtcMessage.CFG:
      return `, ${reader.u16("num_clocks")} clocks`;
    case RtcMessage.CLOCK_CAP: {
      const clock = reader.u8("type", named(CLOCKS));
      reader.u8("leap_second_smearing");
      reader.u8("flags", CAP_FLAGS);
      return `, ${nameOf(CLOCKS, clock)}`;
    }
    case RtcMessage.CROSS_CAP:
      reader.u8("flags", CROSS_FLAGS);
      return "";
    case RtcMessage.READ:
      return `, ${reader.u64("clock_reading")} ns`;
    case RtcMessage.READ_CROSS: {
      const reading = reader.u64("clock_reading");
      reader.u64("counter_cycles");
      return `, ${reading} ns`;
    }
    case RtcMessage.READ_ALARM: {
      const time = reader.u64("alarm_time");
      reader.u8("flags", ALARM_FLAGS);
      return `, ${time} ns`;
    }
    default:
      return "";
  }
}
