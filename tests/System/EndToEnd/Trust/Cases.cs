using System.Reflection;
using OrleansCache.Testing;
using Xunit.Sdk;

namespace OrleansCache.EndToEnd.Tests.Trust;

/// <summary>Cases of a theory on one store: each protocol of M with each of whom it harms, where the theory tells them apart.</summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public abstract class CasesAttribute(StoreKind store, Protocol[]? m, Protocol[]? v) : DataAttribute
{
    public override IEnumerable<object[]> GetData(MethodInfo testMethod) =>
        from one in Choices(m) from other in Choices(v) select (object[])[store, .. one, .. other];

    private static IEnumerable<object[]> Choices(Protocol[]? protocols) => protocols is null ? [[]] : protocols.Select(p => (object[])[p]);
}

/// <summary>Cases on the directory store.</summary>
public sealed class OnFolderAttribute(Protocol[]? m = null, Protocol[]? v = null) : CasesAttribute(StoreKind.Folder, m, v);

/// <summary>Cases on a versioned bucket of S3; skipped, with the reason, where there is none.</summary>
public sealed class OnVersionedBucketAttribute : CasesAttribute
{
    public OnVersionedBucketAttribute(Protocol[]? m = null, Protocol[]? v = null) : base(StoreKind.VersionedBucket, m, v) =>
        Skip = CephServer.MissingReason;
}

/// <summary>Cases on S3; skipped, with the reason, where there is none.</summary>
public sealed class OnBucketAttribute : CasesAttribute
{
    public OnBucketAttribute(Protocol[]? m = null, Protocol[]? v = null) : base(StoreKind.Bucket, m, v) => Skip = CephServer.MissingReason;
}
