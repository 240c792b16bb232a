export { run } from "./machine";
