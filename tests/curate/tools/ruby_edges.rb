# Prints "user TAB used" for every require, require_relative, load and autoload of a file below the folder while all its
# files under lib are loaded, and for those with a plain string that loading did not come by (in methods and blocks), as
# Ruby's parser finds them: Ruby itself resolves the names. It runs the folder's code, so it is for trusted gems in a
# sandbox alone. usage: ruby ruby_edges.rb FOLDER
$folder = File.realpath(ARGV[0])
$edges = {}
$read = {}
def note_edge(user, used)
  return unless user && used && File.file?(used)
  user, used = [user, used].map { |path| File.exist?(path) ? File.realpath(path) : path }
  return unless [user, used].all? { |path| path.start_with?("#{$folder}/") }
  $edges[[user, used].map { |path| path[($folder.size + 1)..] }] = true
end
def feature(name)
  $LOAD_PATH.resolve_feature_path(name.to_s)&.last
rescue LoadError
  nil
end
module Kernel
  alias_method :edges_require, :require
  alias_method :edges_load, :load
  def require(name)
    note_edge(caller_locations(1, 1).first.absolute_path, File.absolute_path?(name.to_s) ? ["#{name}.rb", name.to_s].find { |f| File.file?(f) } : feature(name))
    edges_require(name)
  end
  def require_relative(name)
    user = caller_locations(1, 1).first.absolute_path
    path = File.expand_path(name, File.dirname(user))
    note_edge(user, [path, "#{path}.rb"].find { |file| File.file?(file) })
    edges_require(path)
  end
  def load(name, *rest)
    note_edge(caller_locations(1, 1).first.absolute_path, File.file?(name) ? File.expand_path(name) : nil)
    edges_load(name, *rest)
  end
end
class Module
  alias_method :edges_autoload, :autoload
  def autoload(name, path)
    note_edge(caller_locations(1, 1).first.absolute_path, File.file?(path) ? path : feature(path))
    edges_autoload(name, path)
  end
end
def autoload(name, path)
  note_edge(caller_locations(1, 1).first.absolute_path, File.file?(path) ? path : feature(path))
  Object.edges_autoload(name, path)
end
def note_calls(file)
  nodes = [RubyVM::AbstractSyntaxTree.parse_file(file)]
  while (node = nodes.pop)
    nodes.concat(node.children.grep(RubyVM::AbstractSyntaxTree::Node))
    next unless node.type == :FCALL && %i[require require_relative autoload].include?(node.children[0])
    name = node.children[1]&.children&.compact&.last
    next unless name.is_a?(RubyVM::AbstractSyntaxTree::Node) && name.type == :STR
    path = name.children[0]
    path = File.expand_path(path, File.dirname(file)) if node.children[0] == :require_relative
    note_edge(file, [path, "#{path}.rb"].find { |found| File.absolute_path?(path) && File.file?(found) } || feature(path))
  end
end
$LOAD_PATH.unshift(*Dir["#{$folder}/{lib,*/lib}"])
Dir["#{$folder}/{lib,*/lib}/**/*.rb"].sort.each do |file|
  edges_require(file)
rescue Exception => error # rubocop:disable Lint/RescueException
  warn "unread\t#{file[($folder.size + 1)..]}\t#{error.class}"
end
Dir["#{$folder}/{lib,*/lib}/**/*.rb"].sort.each { |file| note_calls(file) }
$LOADED_FEATURES.each { |file| warn "read\t#{file[($folder.size + 1)..]}" if file.start_with?("#{$folder}/") }
$edges.keys.sort.each { |pair| puts pair.join("\t") }
$stdout.flush
exit!(0)
