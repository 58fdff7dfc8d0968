namespace OrleansCache.Grains;

/// <summary>
/// The version of the grains' interfaces. During a rolling update silos of the old and of the new one are members together: a method, once
/// there, keeps its alias and its
/// meaning; a message keeps its ids and gets new members only as optional ones; whoever adds a method adds one to the version. A caller's
/// grain then lives at a silo
/// that knows what the caller knows.
/// </summary>
public static class Contract
{
    public const ushort Version = 2;
}
