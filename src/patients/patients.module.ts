import { Module } from '@nestjs/common';
import { PatientQueries } from './patient-queries.js';
import { PatientsController } from './patients.controller.js';

@Module({ controllers: [PatientsController], providers: [PatientQueries] })
export class PatientsModule {}
