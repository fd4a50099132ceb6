/** One notation for each address. */
export function canonicalIp(ip: string): string {
  return ip.includes(':') ? (URL.parse(`http://[${ip}]`)?.hostname.slice(1, -1) ?? ip) : ip;
}
