/** What may be printed nowhere: by its form, or because a test planted it. */

/** Part of every secret that a test plants as text. */
export const PLANTED = 'pl4nted-s3cret';

const FORMS: readonly RegExp[] = [
  /lat_[0-9a-f]{16}_[0-9a-f]{48}/g,
  /latjoin_[0-9a-f]{16}_[0-9a-f]{48}/g,
  // With a key behind it: messages may name the form.
  /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{16}/g,
  new RegExp(PLANTED, 'g'),
];

export function secretsIn(text: string): string[] {
  return FORMS.flatMap((form) => text.match(form) ?? []);
}
