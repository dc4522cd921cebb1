import { isIPv6 } from 'node:net';

/** What is no address is told by a proxy that is trusted; it is counted as it is, as far as that is short. */
const MAX_CHARACTERS = 64;

/**
 * What counts as one caller's address: an IPv4 address, or the first 64 bits of an IPv6 address, as that is the least that
 * a network is given (RFC 6177) and whoever has it may use each address in it.
 */
export function addressGroup(address: string): string {
  const plain = address.split('%')[0] ?? '';
  if (!isIPv6(plain)) return address.slice(0, MAX_CHARACTERS);
  const [head = '', tail] = plain.toLowerCase().split('::');
  const [front, back] = [groupsOf(head), groupsOf(tail ?? '')];
  const missing = tail === undefined ? 0 : 8 - front.length - back.length;
  const groups = [...front, ...Array.from({ length: missing }, () => '0'), ...back];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}

/** An IPv4 address at the end takes the place of two groups, which are none of the first four. */
function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':').flatMap((group) => (group.includes('.') ? ['0', '0'] : [group]));
}
