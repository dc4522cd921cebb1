/** Such as `date_of_birth` for `dateOfBirth`. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * How records may spell a field in camelCase and in snake_case, words of capitals and digits included: `customerID` also as
 * `customer_id` and `customerId`, `line_2` also as `line2`. The field's own name comes first.
 */
export function allSpellingsOf(name: string): string[] {
  const words = name
    .replace(/([a-z\d])([A-Z])/g, '$1_$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()
    .split('_')
    .filter((word) => word !== '');
  const [first = '', ...others] = words;
  const camelCase = [first, ...others.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))].join('');
  return [...new Set([name, snakeCase(name), words.join('_'), camelCase])];
}

/** Such as "Date of birth" for `dateOfBirth` or `date_of_birth`. */
export function labelOf(name: string): string {
  const words = snakeCase(name).replaceAll('_', ' ').trim();
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`;
}
