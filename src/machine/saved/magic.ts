/** What the files of saved machines begin with, in ASCII. */
export const SAVED_MAGIC = "tabvisor";
