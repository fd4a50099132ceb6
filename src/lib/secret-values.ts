/** How a Secret is named where its entries are wanted as they are: no credential of a listener is named so. */
export const VALUES_PREFIX = 'values:';

/** @param name `namespace/name` */
export const valuesName = (name: string): string => VALUES_PREFIX + name;
