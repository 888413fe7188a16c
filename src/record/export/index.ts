/** The record in the formats of other programs: rows in, text out. */
export { exportFormats, type ExportFormat, type ExportFormatName } from './formats.ts';
