/** What the codes of admission mean. Codes IST0xxx have Istio's meaning, LAT0xxx are this project's own. */
export interface CodeMeaning {
  readonly title: string;
  /** What helps in most cases; a diagnostic may say something more exact. */
  readonly remedy: string;
}

export const codes: Readonly<Record<string, CodeMeaning>> = {
  IST0106: {
    title: 'a value that the API refuses although its type is right',
    remedy: 'change the field named, or what stands beside it',
  },
  IST0133: {
    title: 'a value that the API takes although it hardly means what was wanted',
    remedy: 'read the message; the resource is admitted',
  },
  LAT0001: {
    title: 'the text is no YAML or JSON that a resource may be written in',
    remedy: 'mend it at the place named; nothing of that document was read',
  },
  LAT0002: {
    title: 'apiVersion and kind name nothing that this version knows',
    remedy: 'check the spelling and the group, or take a version that knows the kind',
  },
  LAT0003: {
    title: 'a field that the kind does not have',
    remedy: 'correct its name or remove it; it would have done nothing',
  },
  LAT0004: {
    title: 'a value of the wrong type, or none of the values allowed',
    remedy:
      'write a value as the message wants it; text that YAML takes for something else in quotes',
  },
  LAT0006: {
    title: 'a kind that a mesh has no use for',
    remedy: 'nothing needs to be done: it is kept and otherwise skipped',
  },
  LAT0007: {
    title: 'the same resource stands twice in what was given',
    remedy: 'remove one of them, or give it another name or namespace',
  },
  LAT0008: {
    title: 'a mesh-wide setting that this version does not use',
    remedy: 'nothing needs to be done: the setting is kept and has no effect',
  },
};
