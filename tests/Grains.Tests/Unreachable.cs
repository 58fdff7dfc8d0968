using System.Reflection;

namespace OrleansCache.Grains.Tests;

/// <summary>A cluster that does not answer.</summary>
public class Unreachable : DispatchProxy
{
    public static IGrainFactory Grains { get; } = Create<IGrainFactory, Unreachable>();

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => throw new SiloUnavailableException("nobody is there");
}
