export type { SimulatorClock } from './clock.ts';
export { createRunningClock, createStillClock } from './clock.ts';
export type { Credentials } from './control.ts';
export type { LoadReport } from './load.ts';
export type { CheckExchange, Exchange } from './serve-ers.ts';
export type { Handle, Simulator, SimulatorOptions } from './start.ts';
export { makeUnboundSimulator, startSimulator } from './start.ts';
export type { BookableType, ListCode, Service } from './world.ts';
