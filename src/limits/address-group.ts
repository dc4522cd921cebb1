import { isIPv6 } from 'node:net';

/** A trusted proxy may send something that is no address: it is counted as it is, cut off at this length. */
const MAX_CHARACTERS = 64;

/**
 * What counts as the address of one caller: an IPv4 address, or the first 64 bits of an IPv6 address. A network gets 64
 * bits at least (RFC 6177), and its owner may use every address in it.
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

/** An IPv4 address at the end stands for two groups; these are never among the first four. */
function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':').flatMap((group) => (group.includes('.') ? ['0', '0'] : [group]));
}
