using Xunit;

namespace OrleansCache.Testing;

/// <summary>A test that needs a real S3; skipped, with the reason, where none can be had.</summary>
public sealed class S3FactAttribute : FactAttribute
{
    public S3FactAttribute() => Skip = CephServer.MissingReason;
}

/// <inheritdoc cref="S3FactAttribute"/>
public sealed class S3TheoryAttribute : TheoryAttribute
{
    public S3TheoryAttribute() => Skip = CephServer.MissingReason;
}

/// <summary>A test that needs a real S3 and a real Nix.</summary>
public sealed class BucketFactAttribute : FactAttribute
{
    public BucketFactAttribute(bool isLong = false) =>
        Skip = CephServer.MissingReason ?? new NixFactAttribute().Skip ?? (isLong ? FullTests.MissingReason : null);
}

/// <inheritdoc cref="BucketFactAttribute"/>
public sealed class BucketTheoryAttribute : TheoryAttribute
{
    public BucketTheoryAttribute(bool needsNewNix = false) =>
        Skip = CephServer.MissingReason ?? new NixFactAttribute().Skip ?? (needsNewNix ? new NewNixFactAttribute().Skip : null);
}

/// <summary>The same with a role at that S3, which its keys may take.</summary>
public sealed class RoleFactAttribute : FactAttribute
{
    public RoleFactAttribute() =>
        Skip = CephServer.MissingReason ?? new NixFactAttribute().Skip
            ?? (CephServer.Role is null ? "ORLEANS_CACHE_TEST_S3_ROLE names no role" : null);
}

/// <summary>A test that needs a real S3 with a second user.</summary>
public sealed class UploadUserFactAttribute : FactAttribute
{
    public UploadUserFactAttribute(bool needsNix = false) => Skip = UploadUser.MissingReason
        ?? (needsNix ? new NixFactAttribute().Skip : null);
}

/// <inheritdoc cref="UploadUserFactAttribute"/>
public sealed class UploadUserTheoryAttribute : TheoryAttribute
{
    public UploadUserTheoryAttribute() => Skip = UploadUser.MissingReason;
}
