import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.IdentifierTree;
import com.sun.source.tree.MemberSelectTree;
import com.sun.source.util.JavacTask;
import com.sun.source.util.TreePath;
import com.sun.source.util.TreePathScanner;
import com.sun.source.util.Trees;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Stream;
import javax.lang.model.element.Element;
import javax.lang.model.element.PackageElement;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

/** Prints "user TAB used" for every source file whose code names a type of another source file, as javac attributes it. */
class JavaEdges {
    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]).toRealPath();
        List<Path> sources;
        try (Stream<Path> all = Files.walk(folder)) {
            sources = all.filter(file -> file.toString().endsWith(".java")).sorted().toList();
        }
        var compiler = ToolProvider.getSystemJavaCompiler();
        try (StandardJavaFileManager manager = compiler.getStandardFileManager(null, null, null)) {
            List<String> options = arguments.length > 1
                    ? List.of("-proc:none", "--patch-module", arguments[1] + "=" + folder)
                    : List.of("-proc:none");
            JavacTask task = (JavacTask) compiler.getTask(
                    null, manager, problem -> {}, options, null, manager.getJavaFileObjectsFromPaths(sources));
            List<CompilationUnitTree> units = new java.util.ArrayList<>();
            task.parse().forEach(units::add);
            task.analyze();
            Trees trees = Trees.instance(task);
            TreeSet<String> lines = new TreeSet<>();
            for (CompilationUnitTree unit : units) {
                new TreePathScanner<Void, Void>() {
                    private void note() {
                        Element element = trees.getElement(getCurrentPath());
                        if (element == null || !(element.getKind().isClass() || element.getKind().isInterface())) {
                            return;
                        }
                        while (!(element.getEnclosingElement() instanceof PackageElement)) {
                            element = element.getEnclosingElement();
                            if (element == null) {
                                return;
                            }
                        }
                        TreePath place = trees.getPath(element);
                        if (place != null && place.getCompilationUnit() != unit) {
                            lines.add(name(unit) + "\t" + name(place.getCompilationUnit()));
                        }
                    }

                    private String name(CompilationUnitTree of) {
                        return folder.relativize(Path.of(of.getSourceFile().toUri())).toString();
                    }

                    @Override
                    public Void visitIdentifier(IdentifierTree tree, Void nothing) {
                        note();
                        return super.visitIdentifier(tree, nothing);
                    }

                    @Override
                    public Void visitMemberSelect(MemberSelectTree tree, Void nothing) {
                        note();
                        return super.visitMemberSelect(tree, nothing);
                    }
                }.scan(unit, null);
            }
            lines.forEach(System.out::println);
        }
    }
}
