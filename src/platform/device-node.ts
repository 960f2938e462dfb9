/**
 * How a device describes itself to a guest: its part of the device tree, as data.
 *
 * A device knows its kind; where it sits and which interrupt it has are the machine's to say, so
 * `reg` and `interrupts` are added by the machine from its profile.
 */

/**
 * A property of a device-tree node (Devicetree Specification v0.4, 2.2.4): `true` is an empty
 * property, a string or list of strings is NUL-terminated text, numbers are big-endian 32-bit
 * cells, bytes are taken as they are.
 */
export type PropertyValue = true | string | readonly string[] | readonly number[] | Uint8Array;

export type Properties = { readonly [name: string]: PropertyValue };

export interface DeviceNode {
  /** The generic name of the specification (2.2.2), without the unit address. */
  readonly name: string;
  readonly properties: Properties;
  /** Nodes without an address that refer to this one by its phandle, by node name. */
  companions?(phandle: number): { readonly [name: string]: Properties };
}
