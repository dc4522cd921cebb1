/** Such as `date_of_birth` for `dateOfBirth`. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Such as "Date of birth" for `dateOfBirth` or `date_of_birth`. */
export function labelOf(name: string): string {
  const words = snakeCase(name).replaceAll('_', ' ').trim();
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`;
}
