<?php
// Prints "user TAB used" for every PHP file that names a class, function or file of another file, as nikic/PHP-Parser
// resolves names. A name declared by several files counts neither way: "unread" lines on standard error.
require_once 'PhpParser/autoload.php';
use PhpParser\Node;
$folder = realpath($argv[1]);
$parser = (new PhpParser\ParserFactory())->create(PhpParser\ParserFactory::PREFER_PHP7);
$finder = new PhpParser\NodeFinder();
$declared = []; $trees = [];
foreach (new RecursiveIteratorIterator(new RecursiveDirectoryIterator($folder, FilesystemIterator::SKIP_DOTS)) as $file) {
    if (!in_array($file->getExtension(), ['php', 'inc', 'module', 'install'])) continue;
    $name = substr($file->getPathname(), strlen($folder) + 1);
    try { $tree = $parser->parse(file_get_contents($file->getPathname())); }
    catch (PhpParser\Error $error) { fwrite(STDERR, "unread\t$name\n"); continue; }
    $walk = new PhpParser\NodeTraverser();
    $walk->addVisitor(new PhpParser\NodeVisitor\NameResolver(null, ['preserveOriginalNames' => true]));
    $tree = $walk->traverse($tree);
    fwrite(STDERR, "read\t$name\n");
    $trees[$name] = $tree;
    foreach ($finder->find($tree, fn($n) => ($n instanceof Node\Stmt\ClassLike && $n->namespacedName !== null) || $n instanceof Node\Stmt\Function_) as $node) {
        $kind = $node instanceof Node\Stmt\Function_ ? 'f:' : 'c:';
        $declared[$kind . strtolower($node->namespacedName->toString())][$name] = true;
    }
}
$out = [];
$note = function (string $user, string $key) use (&$out, $declared) {
    foreach (isset($declared[$key][$user]) ? [] : array_keys($declared[$key] ?? []) as $used)
        $out["$user\t$used\t" . count($declared[$key])] = true;
};
foreach ($trees as $name => $tree) {
    $calls = [];
    foreach ($finder->findInstanceOf($tree, Node\Expr\FuncCall::class) as $call) if ($call->name instanceof Node\Name) $calls[spl_object_id($call->name)] = true;
    foreach ($finder->findInstanceOf($tree, Node\Expr\ConstFetch::class) as $fetch) $calls[spl_object_id($fetch->name)] = null;
    foreach ($finder->findInstanceOf($tree, Node\Stmt\Namespace_::class) as $space) if ($space->name) $calls[spl_object_id($space->name)] = null;
    foreach ($finder->findInstanceOf($tree, Node\Stmt\Use_::class) as $use) foreach ($use->uses as $one) {
        $calls[spl_object_id($one->name)] = null;
        $note($name, ($use->type === Node\Stmt\Use_::TYPE_FUNCTION ? 'f:' : 'c:') . strtolower($one->name->toString()));
    }
    foreach ($finder->findInstanceOf($tree, Node\Stmt\GroupUse::class) as $use) { $calls[spl_object_id($use->prefix)] = null; foreach ($use->uses as $one) {
        $calls[spl_object_id($one->name)] = null;
        $note($name, ($use->type === Node\Stmt\Use_::TYPE_FUNCTION ? 'f:' : 'c:') . strtolower($use->prefix->toString() . '\\' . $one->name->toString()));
    } }
    foreach ($finder->findInstanceOf($tree, Node\Name::class) as $node) {
        $id = spl_object_id($node);
        if (array_key_exists($id, $calls) && $calls[$id] === null) continue;
        if (isset($calls[$id])) {
            $spaced = $node->getAttribute('namespacedName');
            $full = $spaced !== null && isset($declared['f:' . strtolower($spaced->toString())]) ? $spaced->toString() : $node->toString();
            $note($name, 'f:' . strtolower($full));
        } else $note($name, 'c:' . strtolower($node->toString()));
    }
    foreach ($finder->findInstanceOf($tree, Node\Expr\Include_::class) as $include) {
        $evaluator = new PhpParser\ConstExprEvaluator(function ($expr) use ($folder, $name, &$evaluator) {
            if ($expr instanceof Node\Scalar\MagicConst\Dir) return dirname("$folder/$name");
            if ($expr instanceof Node\Scalar\MagicConst\File) return "$folder/$name";
            if ($expr instanceof Node\Expr\FuncCall && $expr->name instanceof Node\Name && $expr->name->toString() === 'dirname')
                return dirname($evaluator->evaluateDirectly($expr->args[0]->value), isset($expr->args[1]) ? $evaluator->evaluateDirectly($expr->args[1]->value) : 1);
            throw new PhpParser\ConstExprEvaluationException();
        });
        try { $path = $evaluator->evaluateDirectly($include->expr); } catch (PhpParser\ConstExprEvaluationException $e) { fwrite(STDERR, "dynamic\t$name\n"); continue; }
        foreach ([$path, dirname("$folder/$name") . "/$path", "$folder/$path"] as $try) if (is_string($path) && is_file($try) && ($real = realpath($try)) && str_starts_with($real, "$folder/")) {
            $out["$name\t" . substr($real, strlen($folder) + 1) . "\t1"] = true; break;
        }
    }
}
ksort($out);
foreach (array_keys($out) as $line) echo $line, "\n";
