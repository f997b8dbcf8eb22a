// Prints "user TAB used" for every module specifier in the scripts of a folder that the TypeScript compiler resolves to
// another of them. Usage: node script_edges.cjs FOLDER FILE-WITH-PATHS (TypeScript is found by NODE_PATH).
const fs = require("fs");
const path = require("path");
const ts = require("typescript");

const folder = fs.realpathSync(process.argv[2]);
const names = fs.readFileSync(process.argv[3], "utf8").split("\n").filter(Boolean);
const known = new Set(names);
const host = {
  ...ts.sys,
  fileExists: (file) => known.has(path.relative(folder, file)) || path.basename(file) === "package.json" && ts.sys.fileExists(file),
};

const options = { allowJs: true, resolveJsonModule: true, preserveSymlinks: true, moduleResolution: ts.ModuleResolutionKind.Bundler, module: ts.ModuleKind.ESNext };
const config = path.join(folder, "tsconfig.json");
if (fs.existsSync(config)) {
  const parsed = ts.parseJsonConfigFileContent(ts.readConfigFile(config, ts.sys.readFile).config, ts.sys, folder);
  Object.assign(options, { paths: parsed.options.paths, baseUrl: parsed.options.baseUrl, pathsBasePath: parsed.options.pathsBasePath });
}
const lines = new Set();
for (const name of names) {
  const whole = path.join(folder, name);
  const source = ts.createSourceFile(whole, fs.readFileSync(whole, "utf8"), ts.ScriptTarget.Latest, true);
  const note = (node) => {
    if (!node || !ts.isStringLiteralLike(node)) return;
    const found = ts.resolveModuleName(node.text, whole, options, host).resolvedModule;
    const used = found && path.relative(folder, found.resolvedFileName);
    if (used && known.has(used) && used !== name) lines.add(`${name}\t${used}`);
  };
  const visit = (node) => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) note(node.moduleSpecifier);
    else if (ts.isExternalModuleReference(node)) note(node.expression);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) note(node.argument.literal);
    else if (ts.isCallExpression(node) && node.arguments.length &&
      (node.expression.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(node.expression) && node.expression.text === "require"))) note(node.arguments[0]);
    ts.forEachChild(node, visit);
  };
  visit(source);
}
for (const line of [...lines].sort()) console.log(line);
