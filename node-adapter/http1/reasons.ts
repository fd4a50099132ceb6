/** Reason phrases (RFC 9110, 15); nobody may read more into them than their number says. */
import { STATUS_CODES } from 'node:http';

export const reasonOf = (status: number): string => STATUS_CODES[status] ?? 'Unknown';
