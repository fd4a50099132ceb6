/** How a Secret is named where its entries are wanted as they are: no credential of a listener is named so. */
export const VALUES_PREFIX = 'values:';

/** @param name `namespace/name` */
export const valuesName = (name: string): string => VALUES_PREFIX + name;

const SECRET = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;

/** Why a text names no Secret of the own namespace; undefined = it can. */
export function secretNameFault(name: string): string | undefined {
  return SECRET.test(name) ? undefined : `${JSON.stringify(name)} is no name of a Secret`;
}
