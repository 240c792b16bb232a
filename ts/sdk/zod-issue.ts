import type { z } from "zod";

/** First problem that zod found, as the path of the field and a sentence. */
export function firstIssue(error: z.ZodError): { path: string; message: string } {
  const issue = deepest(error.issues[0]!);
  const extra = issue.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  const path = [...issue.path, ...extra].map((part, i) =>
    typeof part === "number" ? `[${part}]` : `${i > 0 ? "." : ""}${String(part)}`,
  );
  return { path: path.join(""), message: extra.length > 0 ? "not supported here" : issue.message };
}

/** Of a union's branches, the one that got furthest says best what is wrong. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== "invalid_union") return issue;
  const branches = issue.errors.flatMap((branch) => branch.slice(0, 1)).map(deepest);
  const inner = branches.toSorted((x, y) => y.path.length - x.path.length)[0];
  if (inner === undefined || inner.path.length === 0) return issue;
  return { ...inner, path: [...issue.path, ...inner.path] };
}
