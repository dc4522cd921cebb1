/** An error that the user can resolve: only its message is printed. */
export class Failure extends Error {}
