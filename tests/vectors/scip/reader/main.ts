import { Square, type Shape } from "./shape";

const größe = "é"; export function total(shapes: Shape[]): number {
  let area = 0;
  for (const shape of shapes) area += shape.area();
  return area;
}

export const one = total([new Square(1)]), café = größe;
