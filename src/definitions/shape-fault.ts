/** What is wrong at one place of a definition, as the end of a sentence that begins with the place. */
export interface ShapeFault {
  path: string[];
  detail: string;
}
