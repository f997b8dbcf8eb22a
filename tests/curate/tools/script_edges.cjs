// Prints "user TAB used" for every module specifier in the scripts of a folder that the TypeScript compiler resolves to
// another of them. Usage: node script_edges.cjs FOLDER FILE-WITH-PATHS (TypeScript is found by NODE_PATH).
const fs = require("fs");
const path = require("path");
const ts = require("typescript");

const folder = fs.realpathSync(process.argv[2]);
const names = fs.readFileSync(process.argv[3], "utf8").split("\n").filter(Boolean);
const known = new Set(names);
const real = (file) => path.relative(folder, ts.sys.realpath(file));
const host = {
  ...ts.sys,
  // node_modules may hold links to the packages of a workspace, as an installation lays them.
  fileExists: (file) => ts.sys.fileExists(file) && (known.has(real(file)) || path.basename(file) === "package.json"),
};

const base = { allowJs: true, resolveJsonModule: true, moduleResolution: ts.ModuleResolutionKind.Bundler, module: ts.ModuleKind.ESNext };
const configured = new Map();
// The options of the nearest tsconfig.json in the folder.
function optionsFor(place) {
  if (!configured.has(place)) {
    const config = path.join(place, "tsconfig.json");
    let options = base;
    if (fs.existsSync(config)) {
      const parsed = ts.parseJsonConfigFileContent(ts.readConfigFile(config, ts.sys.readFile).config, { ...ts.sys, readDirectory: () => [] }, place);
      options = { ...base, paths: parsed.options.paths, baseUrl: parsed.options.baseUrl, pathsBasePath: parsed.options.pathsBasePath };
    } else if (place !== folder) options = optionsFor(path.dirname(place));
    configured.set(place, options);
  }
  return configured.get(place);
}
const lines = new Set();
for (const name of names) {
  const whole = path.join(folder, name);
  const source = ts.createSourceFile(whole, fs.readFileSync(whole, "utf8"), ts.ScriptTarget.Latest, true);
  const note = (node) => {
    if (!node || !ts.isStringLiteralLike(node)) return;
    // A script uses the module that runs, not the declarations that describe it to TypeScript.
    const asker = { ...optionsFor(path.dirname(whole)), noDtsResolution: /\.[cm]?jsx?$/.test(name) };
    const found = ts.resolveModuleName(node.text, whole, asker, host).resolvedModule;
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
