// Prints "user TAB used" for every C# file whose code names a type of another file, as NRefactory resolves it.
// A third column of 2 marks an edge between two parts of one partial type.
// Build: mcs -r:ICSharpCode.NRefactory.dll -r:ICSharpCode.NRefactory.CSharp.dll CSharpEdges.cs
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using ICSharpCode.NRefactory.CSharp;
using ICSharpCode.NRefactory.CSharp.Resolver;
using ICSharpCode.NRefactory.Semantics;
using ICSharpCode.NRefactory.TypeSystem;

class CSharpEdges {
    static void Main(string[] arguments) {
        string folder = Path.GetFullPath(arguments[0]);
        var settings = new CompilerSettings();
        foreach (string symbol in arguments.Skip(1)) settings.ConditionalSymbols.Add(symbol);
        IProjectContent project = new CSharpProjectContent().SetCompilerSettings(settings);
        string runtime = Path.GetDirectoryName(typeof(object).Assembly.Location);
        var loader = new CecilLoader();
        foreach (string name in new[] { "mscorlib.dll", "System.dll", "System.Core.dll" }) {
            string place = Path.Combine(runtime, name);
            if (File.Exists(place)) project = project.AddAssemblyReferences(loader.LoadAssemblyFile(place));
        }
        var trees = new Dictionary<string, SyntaxTree>();
        foreach (string file in Directory.GetFiles(folder, "*.cs", SearchOption.AllDirectories).OrderBy(f => f, StringComparer.Ordinal)) {
            SyntaxTree tree = new CSharpParser(settings).Parse(File.ReadAllText(file), file);
            if (tree.Errors.Any(e => e.ErrorType == ErrorType.Error)) { Console.Error.WriteLine("unread\t" + file.Substring(folder.Length + 1)); continue; }
            trees[file] = tree;
            project = project.AddOrUpdateFiles(tree.ToTypeSystem());
        }
        ICompilation compilation = project.CreateCompilation();
        var lines = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var pair in trees) {
            Console.Error.WriteLine("read\t" + pair.Key.Substring(folder.Length + 1));
            var resolver = new CSharpAstResolver(compilation, pair.Value, (ICSharpCode.NRefactory.CSharp.TypeSystem.CSharpUnresolvedFile)project.GetFile(pair.Key));
            foreach (AstNode node in pair.Value.Descendants) {
                if (node is SimpleType && ((SimpleType)node).Identifier == "var") continue;
                if (!(node is AstType || node is IdentifierExpression || node is MemberReferenceExpression)) continue;
                ResolveResult result;
                try { result = resolver.Resolve(node); } catch (Exception) { continue; }
                if (!(result is TypeResolveResult)) continue;
                for (ITypeDefinition type = result.Type.GetDefinition(); type != null; type = type.DeclaringTypeDefinition)
                    if (type.DeclaringTypeDefinition == null)
                        foreach (var part in type.Parts)
                            if (part.Region.FileName != null && part.Region.FileName != pair.Key && part.Region.FileName.StartsWith(folder))
                                lines.Add(pair.Key.Substring(folder.Length + 1) + "\t" + part.Region.FileName.Substring(folder.Length + 1)
                                    + "\t" + (type.Parts.Any(own => own.Region.FileName == pair.Key) ? 2 : 1));
            }
        }
        foreach (string line in lines) Console.WriteLine(line);
    }
}
