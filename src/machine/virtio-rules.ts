/** What virtio slots offer, as the command line and the page's address say it. */
import type { FeatureChoice } from "../virtio/features.ts";
import { Feature } from "../virtio/spec.ts";
import { LoadError } from "./load-error.ts";

export interface VirtioRule {
  /** Of one device, such as `blk0`; absent for all. */
  readonly device?: string;
  readonly choice: FeatureChoice;
}

const FORM = "It is [DEVICE:]CHOICE[,CHOICE...], for example blk0:packed,-EVENT_IDX.";

/** Words that have 128 bits in all. */
const FEATURES = 128;

/**
 * Reads a rule: choices are `packed`, `split`, `in-order`, and a feature not to offer, by its name or
 * bit number after a minus sign.
 * @throws LoadError
 */
export function parseVirtioRule(text: string): VirtioRule {
  const colon = text.indexOf(":");
  const device = text.slice(0, Math.max(0, colon));
  const choice = text
    .slice(colon + 1)
    .split(",")
    .map((word) => readChoice(word, text))
    .reduce(combine);
  return device === "" ? { choice } : { device, choice };
}

/** What the rules say of one device; later ones win. */
export function choiceFor(rules: readonly VirtioRule[], device: string): FeatureChoice {
  return rules
    .filter((rule) => rule.device === undefined || rule.device === device)
    .reduce((sum, rule) => combine(sum, rule.choice), {});
}

/** @throws LoadError if a rule is for a device that is not among `devices`. */
export function checkVirtioRules(rules: readonly VirtioRule[], devices: readonly string[]): void {
  for (const { device } of rules) {
    if (device === undefined || devices.includes(device)) continue;
    throw new LoadError(`There is no virtio device ${device}.`, `There is ${devices.join(", ")}.`);
  }
}

function readChoice(word: string, rule: string): FeatureChoice {
  if (word === "packed") return { packed: true };
  if (word === "split") return { packed: false };
  if (word === "in-order") return { inOrder: true };
  const feature = word.startsWith("-") ? featureNamed(word.slice(1)) : undefined;
  if (feature === undefined) throw new LoadError(`“${rule}” is no rule for virtio.`, FORM);
  return { withhold: [feature] };
}

function featureNamed(name: string): number | undefined {
  if (Object.hasOwn(Feature, name)) return Feature[name as keyof typeof Feature];
  return /^\d{1,3}$/.test(name) && Number(name) < FEATURES ? Number(name) : undefined;
}

function combine(first: FeatureChoice, second: FeatureChoice): FeatureChoice {
  const withhold = [...(first.withhold ?? []), ...(second.withhold ?? [])];
  return { ...first, ...second, ...(withhold.length > 0 ? { withhold } : {}) };
}
