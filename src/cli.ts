import 'reflect-metadata';
import { createProgram } from './cli/program.js';
import { application } from './local-application.js';

await createProgram(application).parseAsync();
