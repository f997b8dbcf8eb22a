import java.nio.file.{Files, Path, Paths}
import scala.collection.JavaConverters._
import scala.collection.mutable
import scala.tools.nsc.{Global, Settings}
import scala.tools.nsc.reporters.StoreReporter

/** Prints "user TAB used" for every Scala file whose code names something of another file, as scalac's typer attributes
  * it. Files in which it met an error are "unread" lines on standard error, the others "read". Java files are symbols. */
object ScalaEdges {
  def main(arguments: Array[String]): Unit = {
    val folder = Paths.get(arguments(0)).toRealPath()
    val all = Files.walk(folder).iterator.asScala.filter(f => f.toString.endsWith(".scala") || f.toString.endsWith(".java")).map(_.toString).toList.sorted
    def name(path: String): String = folder.relativize(Paths.get(path)).toString
    def compiled(phase: String, files: List[String]): (Global, Global#Run, Set[String]) = {
      val settings = new Settings()
      settings.usejavacp.value = true
      settings.stopAfter.value = List(phase)
      val reporter = new StoreReporter
      val compiler = new Global(settings, reporter)
      val run = new compiler.Run
      run.compile(files)
      (compiler, run, reporter.infos.filter(_.severity == reporter.ERROR).map(_.pos.source.path).toSet)
    }
    val unread = compiled("parser", all)._3
    val files = all.filterNot(unread)
    unread.foreach(file => Console.err.println("unread\t" + name(file)))
    val (compiler, run, wrong) = compiled("typer", files)
    import compiler._
    val lines = mutable.SortedSet.empty[String]
    for (unit <- run.asInstanceOf[compiler.Run].units if unit.source.path.endsWith(".scala")) {
      val user = unit.source.path
      Console.err.println((if (wrong(user)) "unread" else "read") + "\t" + name(user))
      val seen = mutable.Set.empty[Tree]
      def note(symbol: Symbol): Unit =
        if (symbol != null && symbol != NoSymbol && !symbol.hasPackageFlag) {
          val file = symbol.sourceFile
          if (file != null && file.path != user && files.contains(file.path))
            lines += name(user) + "\t" + name(file.path) + "\t" + (if (symbol.owner.hasPackageFlag || symbol.owner.isPackageObjectOrClass) "name" else "member") + "\t" + symbol.name.decoded
        }
      object walk extends Traverser {
        override def traverse(tree: Tree): Unit = {
          tree match {
            case t: TypeTree if t.original != null && seen.add(t.original) => traverse(t.original)
            case Import(from, selectors) if from.tpe != null =>
              traverse(from)
              for (one <- selectors if one.name != nme.WILDCARD) { note(from.tpe.member(one.name)); note(from.tpe.member(one.name.toTypeName)) }
            case t: RefTree => note(t.symbol)
            case _ =>
          }
          super.traverse(tree)
        }
      }
      walk.traverse(unit.body)
    }
    lines.foreach(println)
  }
}
