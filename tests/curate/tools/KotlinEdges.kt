// A plugin for kotlinc: prints "user TAB used TAB name" for every Kotlin file that refers to a declaration of another
// file's top, as the compiler's own intermediate representation has it after resolution.
@file:OptIn(org.jetbrains.kotlin.compiler.plugin.ExperimentalCompilerApi::class, org.jetbrains.kotlin.ir.symbols.UnsafeDuringIrConstructionAPI::class)

import java.io.File
import org.jetbrains.kotlin.backend.common.extensions.IrGenerationExtension
import org.jetbrains.kotlin.backend.common.extensions.IrPluginContext
import org.jetbrains.kotlin.compiler.plugin.CompilerPluginRegistrar
import org.jetbrains.kotlin.config.CompilerConfiguration
import org.jetbrains.kotlin.ir.IrElement
import org.jetbrains.kotlin.ir.declarations.*
import org.jetbrains.kotlin.ir.expressions.*
import org.jetbrains.kotlin.ir.types.*
import org.jetbrains.kotlin.ir.util.*
import org.jetbrains.kotlin.ir.visitors.*

class KotlinEdges : CompilerPluginRegistrar() {
    override val pluginId = "edges"
    override val supportsK2 = true
    override fun ExtensionStorage.registerExtensions(configuration: CompilerConfiguration) =
        IrGenerationExtension.registerExtension(object : IrGenerationExtension {
            override fun generate(moduleFragment: IrModuleFragment, pluginContext: IrPluginContext) {
                val lines = sortedSetOf<String>()
                for (file in moduleFragment.files) file.acceptChildrenVoid(Walk(file, lines))
                File(System.getenv("EDGES_OUT")).writeText(lines.joinToString("") { it + "\n" })
            }
        })
}

private class Walk(val user: IrFile, val lines: MutableSet<String>) : IrVisitorVoid() {
    private fun note(declaration: IrDeclaration?) {
        var top: IrDeclaration = declaration ?: return
        while (top.parent is IrDeclaration) top = top.parent as IrDeclaration
        val file = (top.parent as? IrFile) ?: return
        val name = ((top as? IrSimpleFunction)?.correspondingPropertySymbol?.owner ?: top) as? IrDeclarationWithName ?: return
        if (file != user) lines += "${user.fileEntry.name}\t${file.fileEntry.name}\t${name.name.asString()}"
    }
    private fun note(type: IrType?) {
        (type as? IrSimpleType)?.let { simple ->
            note(simple.classOrNull?.owner)
            for (argument in simple.arguments) note(argument.typeOrNull)
        }
    }
    override fun visitElement(element: IrElement) {
        when (element) {
            is IrCall -> {
                val owner = element.symbol.owner
                if (owner.parent is IrFile || owner.dispatchReceiverParameter == null) note(owner)
                for (argument in element.typeArguments) note(argument)
            }
            is IrConstructorCall -> note(element.symbol.owner.parentAsClass)
            is IrDelegatingConstructorCall -> note(element.symbol.owner.parentAsClass)
            is IrGetObjectValue -> note(element.symbol.owner)
            is IrGetEnumValue -> note(element.symbol.owner.parentAsClass)
            is IrClassReference -> note(element.classType)
            is IrTypeOperatorCall -> note(element.typeOperand)
            is IrFunctionReference -> note(element.symbol.owner as? IrDeclaration)
            is IrPropertyReference -> note(element.symbol.owner)
            is IrClass -> element.superTypes.forEach(::note)
            is IrFunction -> { note(element.returnType); element.parameters.forEach { note(it.type) } }
            is IrVariable -> note(element.type)
            is IrField -> note(element.type)
        }
        if (element is IrAnnotationContainer) element.annotations.forEach { it.acceptVoid(this) }
        element.acceptChildrenVoid(this)
    }
}
