using Xunit;

namespace OrleansCache.Testing;

/// <summary>A test that needs a <see cref="SmallDisk"/>.</summary>
public sealed class SmallDiskFactAttribute : FactAttribute
{
    public SmallDiskFactAttribute(bool needsNix = false) => Skip = SmallDisk.MissingReason
        ?? (needsNix ? new NixFactAttribute().Skip : null);
}
