using Xunit;

namespace OrleansCache.Testing;

/// <summary>A test that needs the machine's Nix; skipped, with the reason, where it is not installed.</summary>
public sealed class NixFactAttribute : FactAttribute
{
    public NixFactAttribute() => Skip = Programs.Missing("nix-store", "nix");
}

/// <inheritdoc cref="NixFactAttribute"/>
public sealed class NixTheoryAttribute : TheoryAttribute
{
    public NixTheoryAttribute() => Skip = Programs.Missing("nix-store", "nix");
}

/// <summary>A test that needs <see cref="NixTool.Latest"/>.</summary>
public sealed class NewNixFactAttribute : FactAttribute
{
    public NewNixFactAttribute() => Skip = MissingReason;

    internal static string? MissingReason => NixTool.Latest is null
        ? "no newer Nix: ORLEANS_CACHE_TEST_NEW_NIX names no folder (eng/test as root makes one), or we are not root"
        : null;
}

/// <inheritdoc cref="NewNixFactAttribute"/>
public sealed class NewNixTheoryAttribute : TheoryAttribute
{
    public NewNixTheoryAttribute() => Skip = NewNixFactAttribute.MissingReason;
}

/// <summary>A test that needs <see cref="NixTool.Newest"/>.</summary>
public sealed class NewestNixFactAttribute : FactAttribute
{
    public NewestNixFactAttribute() => Skip = NixTool.Newest is null
        ? "no Nix of 2.33.2 or later: ORLEANS_CACHE_TEST_NEWEST_NIX names no folder (eng/test as root makes one), or we are not root"
        : null;
}
