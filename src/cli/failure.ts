/** Something that the user can see to: its message is all they are told, in words of theirs. */
export class Failure extends Error {}
