/**
 * What a disk can be called, as a regular expression and as the `pattern` of a field: names are part of a
 * database's and a lock's name, and are shown to people.
 */
export const DISK_NAME_PATTERN = "[\\w.@:+\\-][\\w.@:+ \\-]{0,99}";
