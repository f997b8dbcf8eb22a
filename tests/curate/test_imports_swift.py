"""Swift edges. No tool but the compiler resolves Swift's names, and none is to be had where these tests run."""

from name_cases import edges_of

SHOP = {
    "Package.swift": 'let p = Package(targets: [.target(name: "Shop", path: "Code/Shop"), .target(name: "Money")])',
    "Code/Shop/Cart.swift": '''import Foundation
@testable import Money
/* a /* nested */ comment of Refund */
final class Cart<Item>: Base, Priced {
    let s = "Refund", r = #"a " Refund"#, t = """
        Refund " \\(Refund.x)
        """ // Refund
    var price: Price = .init(round(1))
    func total() -> Shelf.Place? { Money.Rate.one; self.Refund() }
    struct Local {}
    let local: Local
}''',
    "Code/Shop/Base.swift": "class Base {\n  class Nested {}\n}\nfunc round(_ x: Int) -> Int { x }",
    "Code/Shop/Priced.swift": "protocol Priced { associatedtype Local }",
    "Code/Shop/Refund.swift": "struct Refund {}\nstruct Item {}\nstruct Local {}",
    "Code/Shop/Shelf.swift": "extension Cart {}\nenum Shelf { enum Place {} }",
    "Sources/Money/Price.swift": "public struct Price {}",
    "Sources/Money/Rate.swift": "public struct Rate { let b: Base }",
}  # fmt: skip


def test_types_and_functions_of_the_module_and_of_imported_modules():
    used = ("Code/Shop/Base", "Code/Shop/Priced", "Code/Shop/Shelf", "Sources/Money/Price", "Sources/Money/Rate")
    expected = {("Code/Shop/Cart.swift", f"{name}.swift") for name in used}
    assert edges_of(SHOP) == expected | {("Code/Shop/Shelf.swift", "Code/Shop/Cart.swift")}


def test_without_a_manifest_the_folders_below_sources_are_modules_and_an_xcode_project_is_one():
    files = {f"Sources/{m}/A.swift": "struct A { let b: B }" for m in "XY"} | {"Sources/X/B.swift": "struct B {}"}
    assert edges_of(files) == {("Sources/X/A.swift", "Sources/X/B.swift")}
    files = {"App/Views/A.swift": "struct A { let b: B }", "App/Models/B.swift": "struct B {}"}
    assert edges_of(files) == {("App/Views/A.swift", "App/Models/B.swift")}


def test_conditions_and_single_imports_name_nothing_and_generic_arguments_and_trailing_closures_do():
    files = {
        "A.swift": "#if os(Linux) && canImport(Kit)\n@_exported import struct Kit.Linux\n#elseif Errno\n#endif\n"
        "typealias In = Box<Buffer>\nfunc f<Item>(x: Item) { scoped { x } }\nstruct S: P<Chunk> {}\n"
        "init<Own>(own: Own)",
        "Linux.swift": "enum Linux {}",
        "Kit.swift": "import struct Other.Errno\nstruct Own {}\nstruct Item {}",
        "Errno.swift": "import Kit\nstruct Errno {}",
        "Box.swift": "struct Box<T> {}",
        "Buffer.swift": "struct Buffer {}",
        "Chunk.swift": "struct Chunk {}",
        "Scoped.swift": "func scoped<T>(_ body: () -> T) -> T { body() }",
    }
    assert edges_of(files) == {("A.swift", f"{name}.swift") for name in ("Box", "Buffer", "Chunk", "Scoped")}
